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

// streamLeaseEvents answers LeaseREST/StreamLeaseEvents from the WebSocket with a lease's
// Kubernetes events (proto/akash-provider-api.md, section 2.9). With follow, it ends
// without an error when the lease ends, and otherwise with UNAVAILABLE.
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

// decodeEvent decodes an event from a gateway, and reports whether data is one: a JSON
// object with a reason or an object.
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

// ended returns the error for a socket that ended without a close frame, or nil if its data
// is complete. It is incomplete if it was followed and the lease still exists, or if the
// provider does not respond any more: a provider drops the connection at the end of a log
// just as when it crashes.
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
