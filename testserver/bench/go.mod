// The Go programs of the measurements, apart so that the product's go.mod knows
// nothing of the peers.
module akash-provider-web/bench

go 1.26.0

require (
	akash-provider-web v0.0.0
	connectrpc.com/vanguard v0.4.0
	github.com/btcsuite/btcd/btcutil v1.2.0
	github.com/gorilla/websocket v1.4.1
	golang.org/x/net v0.62.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)

require (
	connectrpc.com/connect v1.19.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20261110000943-09e21b237f2c // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261104224025-d1e00e9f33ab // indirect
)

replace akash-provider-web => ../..
