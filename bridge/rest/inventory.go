package rest

import (
	"context"

	"google.golang.org/grpc/codes"

	"akash-provider-web/bridge/rpcerror"
	inventoryv1 "akash-provider-web/proto/akash/inventory/v1"
)

// inventoryPath is the beginning of the methods of AEP-86's InventoryService.
var inventoryPath = "/" + inventoryv1.InventoryService_ServiceDesc.ServiceName + "/"

// inventorySnapshot answers InventoryService: no gateway can.
func inventorySnapshot(context.Context, *exchange) error { return noInventory() }

func noInventory() *rpcerror.Error {
	return rpcerror.New(codes.Unimplemented, rpcerror.ReasonNotImplemented, "it has no signed inventory (AEP-86), which only pre-releases of providers have so far, over gRPC")
}
