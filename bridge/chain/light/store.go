package light

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxStored bounds a file of trusted state. With 1,000 validators it has 300 KB.
const maxStored = 4 << 20

// stored is the content of a file with trusted state.
type stored struct {
	// Trust is the trust that the operator gave at first. Another one replaces the
	// state.
	Trust string `json:"trust"`
	// The newest header that was verified, and its validators.
	Header     Header      `json:"header"`
	Validators []Validator `json:"validators"`
	// Fork is the fork that was seen.
	Fork *ForkError `json:"fork,omitempty"`
}

// load returns the state in a file; nil if there is no file.
func load(name string) (*stored, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.Size() > maxStored:
		return nil, fmt.Errorf("%s is not a file with trusted headers: it is too large", name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("%s is not a file with trusted headers (%w): delete it and start from a header that you trust", name, err)
	}
	return &s, nil
}

// block returns the stored header and validators.
func (s *stored) block() (*Block, error) {
	if err := s.Header.check(); err != nil {
		return nil, err
	}
	set, err := NewValidatorSet(s.Validators)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(s.Header.ValidatorsHash, set.Hash()) {
		return nil, errors.New("the validators are not those of the header")
	}
	return &Block{SignedHeader{Header: s.Header}, set}, nil
}

// save replaces a file, so that it is always complete. Only its owner may read and write
// it: whoever writes it decides what is trusted.
func (s *stored) save(name string) (err error) {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(file.Name())
		}
	}()
	_, err = file.Write(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
