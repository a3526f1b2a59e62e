package guard_test

import (
	"fmt"
	"net/http/httptest"

	"akash-provider-web/bridge/guard"
)

func ExampleOrigins() {
	origins, err := guard.NewOrigins([]string{"https://app.example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, origin := range []string{"https://app.example", "https://other.example"} {
		r := httptest.NewRequest("POST", "https://bridge.example/akash.provider.v1.ProviderRPC/GetStatus", nil)
		r.Header.Set("Origin", origin)
		fmt.Println(origin, origins.Allows(r))
	}
	// Output:
	// https://app.example true
	// https://other.example false
}
