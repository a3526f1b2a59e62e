package fake_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"akash-provider-web/testserver/fake"
)

// rpc asks a chain node by GET and decodes the result. It returns the error's data.
func rpc(t *testing.T, s *fake.Server, route string, into any) string {
	t.Helper()
	_, text := fetch(t, browser(t), http.MethodGet, s.Ready().ChainRPC+route, "")
	answer := struct {
		Result any
		Error  struct{ Data string }
	}{Result: into}
	require.NoError(t, json.Unmarshal([]byte(text), &answer), text)
	return answer.Error.Data
}

// signedHeader is what a client reads of a commit.
type signedHeader struct {
	SignedHeader struct {
		Header struct {
			Height         string
			ValidatorsHash string                `json:"validators_hash"`
			LastBlockID    struct{ Hash string } `json:"last_block_id"`
		}
		Commit struct {
			BlockID    struct{ Hash string } `json:"block_id"`
			Signatures []struct {
				BlockIDFlag int `json:"block_id_flag"`
			}
		}
	} `json:"signed_header"`
	Canonical bool
}

// The latest block of the status has a commit, and names the block before it.
func TestStatusAndCommits(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	var status struct {
		NodeInfo struct{ Network string } `json:"node_info"`
		SyncInfo struct {
			Hash   string `json:"latest_block_hash"`
			Height string `json:"latest_block_height"`
		} `json:"sync_info"`
	}
	rpc(t, s, "/status", &status)
	assert.Equal(t, "akashnet-2", status.NodeInfo.Network)
	height, err := strconv.ParseInt(status.SyncInfo.Height, 10, 64)
	require.NoError(t, err)

	var latest, before signedHeader
	rpc(t, s, "/commit?height="+status.SyncInfo.Height, &latest)
	rpc(t, s, fmt.Sprintf("/commit?height=%d", height-1), &before)
	assert.Equal(t, status.SyncInfo.Hash, latest.SignedHeader.Commit.BlockID.Hash)
	assert.Equal(t, before.SignedHeader.Commit.BlockID.Hash, latest.SignedHeader.Header.LastBlockID.Hash)
	assert.Len(t, latest.SignedHeader.Commit.Signatures, 10)
	assert.True(t, before.Canonical)

	assert.Contains(t, rpc(t, s, "/commit?height=30000000", nil), "must be less than or equal to the current blockchain height")
	assert.Contains(t, rpc(t, s, "/commit?height=7", nil), "height 7 is not available, lowest height is 1")
	assert.Contains(t, rpc(t, s, "/header?height=0", nil), "height must be greater than 0")
}

// Validators come in pages.
func TestValidatorPages(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	var page struct {
		Validators []struct {
			Address string
			Power   string `json:"voting_power"`
		}
		Count, Total string
	}
	seen := map[string]bool{}
	for n := 1; n <= 3; n++ {
		rpc(t, s, fmt.Sprintf("/validators?height=20000000&page=%d&per_page=4", n), &page)
		assert.Equal(t, "10", page.Total)
		assert.Equal(t, strconv.Itoa(len(page.Validators)), page.Count)
		for _, v := range page.Validators {
			seen[v.Address] = true
		}
	}
	assert.Len(t, seen, 10)
	assert.Contains(t, rpc(t, s, "/validators?page=2", nil), "page should be within [1, 1] range, given 2")
}

// A store's entry can be asked for with proof, at the latest height or an older one.
func TestStoreQuery(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	query := func(path, key, more string) (answer struct {
		Response struct {
			Code     int
			Log      string
			Height   string
			Value    []byte
			ProofOps *struct {
				Ops []struct {
					Type string
					Key  []byte
					Data []byte
				}
			}
		}
	}) {
		rpc(t, s, "/abci_query?path=%22"+path+"%22&data=0x"+hex.EncodeToString([]byte(key))+more, &answer)
		return answer
	}
	latest := query("/store/mint/key", "minter", "&prove=true").Response
	require.Len(t, latest.ProofOps.Ops, 2)
	assert.Equal(t, "ics23:iavl", latest.ProofOps.Ops[0].Type)
	assert.Equal(t, "minter", string(latest.ProofOps.Ops[0].Key))
	assert.Equal(t, "ics23:simple", latest.ProofOps.Ops[1].Type)
	assert.Equal(t, "mint", string(latest.ProofOps.Ops[1].Key))

	old := query("/store/mint/key", "minter", "&prove=true&height=19999985").Response
	assert.Equal(t, "19999985", old.Height)
	assert.NotEqual(t, latest.Value, old.Value)

	absent := query("/store/mint/key", "other", "&prove=true").Response
	assert.Empty(t, absent.Value)
	assert.NotEmpty(t, absent.ProofOps.Ops[0].Data)
	assert.Nil(t, query("/store/mint/key", "minter", "").Response.ProofOps)

	assert.Contains(t, query("/store/none/key", "minter", "").Response.Log, "no such store: none")
	assert.Contains(t, query("/store/mint/key", "minter", "&height=5&prove=true").Response.Log, "ensure height has not been pruned")
}

// The REST API has the latest block, with hashes in base64, and the chain's name.
func TestChainRESTBlocks(t *testing.T) {
	s := start(t, fake.Options{Seed: 7})
	var block struct {
		BlockID struct{ Hash []byte } `json:"block_id"`
		Block   struct {
			Header struct {
				Height  string
				ChainID string `json:"chain_id"`
			}
		}
	}
	require.Equal(t, http.StatusOK, restGet(t, s, "/cosmos/base/tendermint/v1beta1/blocks/latest", &block))
	assert.Equal(t, "akashnet-2", block.Block.Header.ChainID)
	var commit signedHeader
	rpc(t, s, "/commit?height="+block.Block.Header.Height, &commit)
	assert.Equal(t, commit.SignedHeader.Commit.BlockID.Hash, fmt.Sprintf("%X", block.BlockID.Hash))

	var info struct {
		Node struct{ Network string } `json:"default_node_info"`
	}
	require.Equal(t, http.StatusOK, restGet(t, s, "/cosmos/base/tendermint/v1beta1/node_info", &info))
	assert.Equal(t, "akashnet-2", info.Node.Network)
	response, _ := fetch(t, browser(t), http.MethodGet, s.Ready().ChainRPC+"/akash/provider/v1beta4/providers", "")
	assert.Equal(t, block.Block.Header.Height, response.Header.Get("Grpc-Metadata-X-Cosmos-Block-Height"))
}
