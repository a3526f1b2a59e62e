package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
)

// startUpstream starts one of the suite's servers as the provider: native gRPC over
// HTTP/2 without TLS, the only protocol that the suite's grpcserver supports. It
// returns the server's host:port, and a function that stops it. On an error no process
// remains.
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
		_ = server.Wait() // always an error, since it was killed
	}
	addr, err = requestServer(stdin, stdout, serverRequest{
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

// requestServer sends a server its request, and returns the address in its response.
func requestServer(stdin io.WriteCloser, stdout io.Reader, request serverRequest) (string, error) {
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
