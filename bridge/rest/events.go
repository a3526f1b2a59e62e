package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strconv"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	marketv1 "akash-provider-web/proto/akash/market/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// streamLeaseEvents answers LeaseREST/StreamLeaseEvents from the WebSocket of a
// lease's Kubernetes events (proto/akash-provider-api.md, section 2.9). Followed events end well
// with the lease, and otherwise with UNAVAILABLE.
func streamLeaseEvents(ctx context.Context, x *exchange) error {
	var request webv1.StreamLeaseEventsRequest
	if err := x.request(&request); err != nil {
		return err
	}
	if err := x.checkLease(request.GetLeaseId()); err != nil {
		return err
	}
	if err := checkServiceName(request.GetService()); err != nil {
		return err
	}
	r := leaseRoute(request.GetLeaseId(), "kubeevents", scopeEvents)
	r.query = url.Values{"follow": {strconv.FormatBool(request.GetFollow())}}
	var filter *objectFilter // nil for all services
	if service := request.GetService(); service != "" {
		topic, leave := x.watchLease(request.GetLeaseId())
		defer leave()
		filter = &objectFilter{exchange: x, lease: request.GetLeaseId(), service: service, topic: topic}
	}
	s, err := x.dial(ctx, ctx, r)
	if err != nil {
		return err
	}
	defer s.close()
	if request.GetFollow() {
		x.opened()
	}
	for {
		data, err := s.read()
		var frame *closed
		switch {
		case err == io.EOF, errors.As(err, &frame) && frame.code == closeNormal:
			return x.ended(ctx, request.GetLeaseId(), request.GetFollow())
		case frame != nil:
			return x.closed(request.GetLeaseId(), frame)
		case err != nil:
			return err
		}
		event, ok := decodeEvent(data)
		if !ok {
			x.skip(FrameEvent, data)
			continue
		}
		if filter != nil && !filter.selects(ctx, event.GetObject()) {
			continue
		}
		if err := x.reply(event); err != nil {
			return err
		}
	}
}

// decodeEvent reads an event as a gateway sends it, and reports whether data is one:
// a JSON object that says what happened, or to what.
func decodeEvent(data []byte) (*webv1.LeaseEvent, bool) {
	var e struct {
		Type                string `json:"type"`
		ReportingController string `json:"reportingController"`
		ReportingInstance   string `json:"reportingInstance"`
		Reason              string `json:"reason"`
		Note                string `json:"note"`
		Object              struct {
			Kind      string `json:"kind"`
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		} `json:"object"`
	}
	if json.Unmarshal(data, &e) != nil {
		return nil, false
	}
	if e.Type == "" && e.Reason == "" && e.Note == "" && e.Object.Name == "" {
		return nil, false
	}
	return &webv1.LeaseEvent{
		Type:   e.Type,
		Reason: e.Reason,
		Note:   e.Note,
		Object: &webv1.LeaseEventObject{
			Kind: e.Object.Kind, Namespace: e.Object.Namespace, Name: e.Object.Name,
		},
		ReportingController: e.ReportingController,
		ReportingInstance:   e.ReportingInstance,
	}, true
}

// ended tells what the end of a socket means that nothing was said about: nil if
// what it sent is whole, which it is not if it was to be followed and the lease
// is still there, or if the provider does not answer any more. A provider drops
// the connection at the end of a log just as one does that dies.
func (x *exchange) ended(ctx context.Context, id *marketv1.LeaseID, follow bool) error {
	_, err := x.leaseStatus(ctx, id)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case isReason(err, rpcerror.ReasonUnknownLease):
		return nil
	case isReason(err, rpcerror.ReasonProviderGone), isReason(err, rpcerror.ReasonProviderUnreachable):
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderGone, "it went away before it was done")
	case follow:
		return rpcerror.New(codes.Unavailable, rpcerror.ReasonProviderGone, "it ended the connection, though the lease is still there")
	}
	return nil
}
