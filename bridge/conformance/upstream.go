package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
)

// startUpstream starts one of the suite's servers as the provider behind the
// bridge: native gRPC over cleartext HTTP/2, which is all that the suite's
// grpcserver offers. It returns the host:port that it listens on, and a function
// that ends it. An error leaves none behind.
func startUpstream(program string, receiveLimit uint64) (addr string, stop func(), err error) {
	server := exec.Command(program)
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = server.Process.Kill()
		_ = server.Wait() // always says that it was killed
	}
	addr, err = begin(stdin, stdout, serverRequest{
		protocol:     protocolGRPC,
		httpVersion:  httpVersion2,
		receiveLimit: receiveLimit,
	})
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("starting %s: %w", program, err)
	}
	return addr, stop, nil
}

// begin tells a server what to serve, and returns where it does.
func begin(stdin io.WriteCloser, stdout io.Reader, request serverRequest) (string, error) {
	if err := writeMessage(stdin, request.marshal()); err != nil {
		return "", err
	}
	if err := stdin.Close(); err != nil {
		return "", err
	}
	b, err := readMessage(stdout)
	if err != nil {
		return "", err
	}
	var response serverResponse
	if err := response.unmarshal(b); err != nil {
		return "", err
	}
	return net.JoinHostPort(response.host, strconv.Itoa(int(response.port))), nil
}
