package rest

import (
	"crypto/sha256"
	"reflect"
	"time"

	"akash-provider-web/bridge/internal/strikes"
	"akash-provider-web/bridge/rpcerror"
	leasev1 "akash-provider-web/proto/akash/provider/lease/v1"
	webv1 "akash-provider-web/proto/akash/provider/web/v1"
)

// question is what calls ask that are all the same to a provider: with the same credential,
// about the same lease, so that no caller can keep another from asking.
type question struct {
	transport  any // differs for each decision about a certificate
	credential [32]byte
	method     string
	message    [32]byte
}

// goodTime is how long a stream has to last to count as one that works.
const goodTime = 5 * time.Second

// repeatable are the methods whose failures are counted. They have no effects. Methods
// without credentials are left to the caller of this package, which knows more about them.
var repeatable = map[string]bool{
	leasev1.LeaseRPC_ServiceStatus_FullMethodName:    true,
	leasev1.LeaseRPC_ServiceLogs_FullMethodName:      true,
	webv1.LeaseREST_GetManifest_FullMethodName:       true,
	webv1.LeaseREST_StreamLeaseEvents_FullMethodName: true,
}

// attempt is the attempt to answer a call; nil for a call that none is counted for.
type attempt struct {
	of   *strikes.Attempt[question]
	good *time.Timer // ends it well
}

// begin begins the attempt to answer a call, or returns an error if the provider's answers
// could not be used again and again, and it is to be asked later.
func (a *Adapter) begin(call *Call, g *gateway) (*attempt, error) {
	transport := call.Endpoint.Transport
	if !repeatable[call.Method] || !reflect.TypeOf(transport).Comparable() {
		return nil, nil
	}
	of, refusal := a.failing.Begin(question{transport, g.credential.sum(), call.Method, sha256.Sum256(call.Message)})
	if refusal != nil {
		return nil, rpcerror.AskLater(call.Provider, refusal.Failures, refusal.Last, refusal.Wait)
	}
	return &attempt{of, time.AfterFunc(goodTime, func() { of.End(nil) })}, nil
}

func (a *attempt) succeeded() {
	if a.unknown() {
		a.of.End(nil)
	}
}

// failed ends an attempt with an error, which counts if it is the answer's fault.
func (a *attempt) failed(err *rpcerror.Error) {
	if a != nil {
		a.good.Stop()
		if err.Reason.OfAnswer() {
			a.of.End(err)
		}
	}
}

// unknown ends an attempt that says nothing, and reports whether there is one.
func (a *attempt) unknown() bool {
	if a != nil {
		a.good.Stop()
	}
	return a != nil
}
