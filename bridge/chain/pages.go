package chain

// page is a page of a node's list: its items, the key of the next page, and the height of
// the state that it is about, 0 if the node does not say.
type page[T any] struct {
	items []T
	next  []byte
	at    int64
}

// readPages reads a node's list page by page, all about the state at one height, which it
// returns. read asks for a page: at height 0 for the latest state, and without a key for the
// first page. take gets the items of each page, and whether more follow; it returns false to
// stop before the end. An empty page that is not the last is the error undecodable.
func readPages[T any](n *node, height int64, undecodable error, read func(height int64, key []byte) (page[T], error), take func(items []T, more bool) (bool, error)) (int64, error) {
	var key []byte
	for {
		p, err := read(height, key)
		if err != nil {
			return 0, err
		}
		if height != 0 && p.at != 0 && p.at != height {
			return 0, n.describe(errOtherHeight)
		}
		height, key = p.at, p.next
		more := len(key) > 0
		if more && len(p.items) == 0 {
			return 0, n.describe(undecodable)
		}
		if goOn, err := take(p.items, more); err != nil {
			return 0, n.describe(err)
		} else if !more || !goOn {
			return height, nil
		}
	}
}
