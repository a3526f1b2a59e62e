//go:build js

package main

import (
	"akash-provider-web/wasm/browser"
	"akash-provider-web/wasm/client"
	"akash-provider-web/wasm/grpcweb"
)

// exchange is one call.
type exchange struct {
	scope   *client.Scope
	unary   bool
	receive func(message []byte)

	headers  grpcweb.Fields
	trailers grpcweb.Fields
}

// run makes the call and tells how it ended.
func (x *exchange) run(r *request) outcome {
	header := append(grpcweb.Fields{
		{Name: "content-type", Value: grpcweb.ContentType},
		{Name: "x-grpc-web", Value: "1"},
	}, r.Headers...)
	if r.Timeout != nil {
		header = append(header, grpcweb.Field{Name: grpcweb.TimeoutHeader, Value: grpcweb.Timeout(*r.Timeout)})
		expired := grpcweb.Error(grpcweb.DeadlineExceeded, "the deadline passed")
		defer browser.Clock{}.AfterFunc(*r.Timeout, func() { x.scope.End(expired) })()
	}
	status := x.open(&client.Request{
		URL:    r.URL,
		Header: header,
		Body:   append(grpcweb.AppendHeader(nil, len(r.Message)), r.Message...),
		Whole:  r.Unary,
	})
	end := outcome{Headers: x.headers, Trailers: x.trailers}
	if status != nil {
		end.Code, end.Message, end.Trailers = status.Code, status.Message, status.Fields
	}
	return end
}

// open sends the request and reads its response.
func (x *exchange) open(request *client.Request) *grpcweb.Status {
	response, err := browser.Fetch{}.Open(x.scope, request)
	if cause := x.scope.Cause(); cause != nil {
		if err == nil {
			response.Close()
		}
		return cause
	}
	if err != nil {
		return grpcweb.Error(grpcweb.Unavailable, err.Error())
	}
	defer response.Close()
	x.headers = response.(*browser.Response).Headers()
	if status := client.Refused(response); status != nil {
		status.Fields = x.headers
		return status
	}
	return x.read(response)
}

// read reads the response to its end.
func (x *exchange) read(response client.Response) *grpcweb.Status {
	var body grpcweb.Decoder
	var only []byte // the answer of a unary call, which counts only with its status
	for messages := 0; ; {
		for {
			message, ok := body.Next()
			if !ok {
				break
			}
			messages++
			switch {
			case !x.unary:
				x.receive(message)
			case messages > 1:
				return grpcweb.Error(grpcweb.Unimplemented, "the call has more than one answer")
			default:
				only = append(only, message...)
			}
			if cause := x.scope.Cause(); cause != nil {
				return cause
			}
		}
		if body.Err() != nil {
			return body.Err()
		}
		piece, err := response.Read(x.scope)
		switch cause := x.scope.Cause(); {
		case cause != nil:
			return cause
		case err != nil:
			return grpcweb.Error(grpcweb.Unavailable, err.Error())
		case piece != nil:
			body.Write(piece)
			continue
		}
		status := body.End(x.headers)
		x.trailers = body.Trailers()
		switch {
		case status != nil:
			return status
		case x.unary && messages == 0:
			return grpcweb.Error(grpcweb.Unimplemented, "the call has no answer")
		case x.unary:
			x.receive(only)
		}
		return nil
	}
}
