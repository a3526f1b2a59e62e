package settings

import (
	"errors"
	"flag"
	"fmt"
	"strings"
)

// valueError is what is wrong with a value.
type valueError struct {
	value string // as it may be printed
	err   error
}

// at returns the error of a value that is set at a place.
func (e *valueError) at(where string) error {
	if quoted := fmt.Sprintf("%q", e.value); !strings.Contains(e.err.Error(), quoted) {
		return fmt.Errorf("%s: %s: %w", where, quoted, e.err)
	}
	return fmt.Errorf("%s: %w", where, e.err)
}

// checked is a flag's value. It keeps the error of a value that is wrong, since package
// flag reports it without its cause, and with secrets.
type checked struct {
	flag.Value
	setting *setting
	want    string // what package flag does not say
}

func (c *checked) Set(text string) error { return c.set(text, c.Value.Set) }

func (c *checked) set(text string, set func(string) error) error {
	err := set(text)
	if err == nil {
		return nil
	}
	if c.want != "" {
		err = errors.New(c.want)
	}
	if c.setting.redact != nil {
		text = c.setting.redact(text)
	}
	c.setting.failed = &valueError{text, err}
	return err
}

// IsBoolFlag lets a flag of true or false be given without a value.
func (c *checked) IsBoolFlag() bool {
	b, ok := c.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// list is the value of a setting with several values.
type list struct {
	add    func(string) error
	values []string
}

// String returns the values. A separator that no value has keeps them apart.
func (l *list) String() string { return strings.Join(l.values, "\n") }

// Set adds values that are separated by commas.
func (l *list) Set(values string) error {
	for value := range strings.SplitSeq(values, ",") {
		if err := l.addOne(value); err != nil {
			return err
		}
	}
	return nil
}

// addOne adds a value, which may contain commas.
func (l *list) addOne(value string) error {
	if value = strings.TrimSpace(value); value == "" {
		return errors.New("a value is empty")
	}
	if err := l.add(value); err != nil {
		return err
	}
	l.values = append(l.values, value)
	return nil
}

// list returns the setting's value if it is a list.
func (s *setting) list() (*list, bool) {
	l, ok := s.Value.(*checked).Value.(*list)
	return l, ok
}

// set sets a value from outside the command line.
func (s *setting) set(text, where string) error {
	return s.apply(text, where, s.Value.(*checked).Value.Set)
}

// apply sets a value with a function.
func (s *setting) apply(text, where string, set func(string) error) error {
	s.where = where
	if s.Value.(*checked).set(text, set) != nil {
		return s.failed.at(where)
	}
	return nil
}
