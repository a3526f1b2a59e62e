// Package settings reads a program's settings from the command line, the environment and
// a YAML file. Each setting is a flag; its environment variable and its key in the file
// are derived from the flag's name. A flag overrides the environment, the environment the
// file, and the file the default.
package settings

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Set is a set of settings. Define them with the methods named after types, then call
// [Set.Parse] and [Set.Load].
type Set struct {
	prefix   string // of environment variables, such as "AKASH_BRIDGE_"
	flags    *flag.FlagSet
	settings []*setting // in the order of their definition
	group    string
	fileFlag string
	spare    *Set
	ignored  []string // variables that are not settings
}

// setting is one setting.
type setting struct {
	*flag.Flag
	group      string
	command    bool // an action such as --version: on the command line only
	reloadable bool
	redact     func(string) string // makes a value fit for printing; nil if it is no secret
	where      string              // where its value comes from; empty if it is the default
	failed     *valueError         // what is wrong with the value that was last set
}

// New returns an empty set. Environment variables begin with prefix.
func New(program, prefix string) *Set {
	s := &Set{prefix: prefix, flags: flag.NewFlagSet(program, flag.ContinueOnError)}
	s.flags.SetOutput(io.Discard)
	s.flags.Usage = func() {}
	return s
}

// Group puts the settings that are defined next below a title in the help.
func (s *Set) Group(title string) { s.group = title }

// StringVar defines a text setting, as [flag.FlagSet.StringVar] does.
func (s *Set) StringVar(p *string, name, value, usage string) {
	s.flags.StringVar(p, name, value, usage)
	s.define(name, "")
}

// BoolVar defines a setting that is true or false.
func (s *Set) BoolVar(p *bool, name string, value bool, usage string) {
	s.flags.BoolVar(p, name, value, usage)
	s.define(name, "want true or false")
}

// IntVar defines a whole number.
func (s *Set) IntVar(p *int, name string, value int, usage string) {
	s.flags.IntVar(p, name, value, usage)
	s.define(name, "want a whole number, such as 10000")
}

// Float64Var defines a number.
func (s *Set) Float64Var(p *float64, name string, value float64, usage string) {
	s.flags.Float64Var(p, name, value, usage)
	s.define(name, "want a number, such as 0.5")
}

// DurationVar defines a duration.
func (s *Set) DurationVar(p *time.Duration, name string, value time.Duration, usage string) {
	s.flags.DurationVar(p, name, value, usage)
	s.define(name, "want a duration with its unit, such as 30s, 5m or 1h")
}

// List defines a setting that has several values: a repeated flag, values separated by
// commas in a flag or a variable, and a list in the file. If the name of its value has an
// equals sign, as in NAME=URL, the file may also have a mapping. add is called for each
// value; its error says what is wanted.
func (s *Set) List(name, usage string, add func(string) error) {
	s.flags.Var(&list{add: add}, name, usage)
	s.define(name, "")
}

// Command defines a flag that is an action, such as --version. It can be neither in the
// environment nor in the file.
func (s *Set) Command(p *bool, name, usage string) {
	s.BoolVar(p, name, false, usage)
	s.find(name).command = true
}

// File defines the setting that names the file. It can be in the environment.
func (s *Set) File(p *string, name, usage string) {
	s.StringVar(p, name, "", usage)
	s.fileFlag = name
}

// Spare has values that are overridden checked by another set, which defines the same
// settings. Without it they are ignored.
func (s *Set) Spare(other *Set) { s.spare = other }

// Ignore names environment variables that begin with the prefix and are no settings.
func (s *Set) Ignore(variables ...string) { s.ignored = append(s.ignored, variables...) }

// Reloadable marks settings that take effect when the file is read again. For the others
// the program must be restarted.
func (s *Set) Reloadable(names ...string) {
	for _, name := range names {
		s.find(name).reloadable = true
	}
}

// Secret marks settings whose values have secrets. redact returns what may be printed of a
// value.
func (s *Set) Secret(redact func(string) string, names ...string) {
	for _, name := range names {
		s.find(name).redact = redact
	}
}

func (s *Set) define(name, want string) {
	f := s.flags.Lookup(name)
	setting := &setting{Flag: f, group: s.group}
	f.Value = &checked{Value: f.Value, setting: setting, want: want}
	s.settings = append(s.settings, setting)
}

// find returns the setting of a name, which must be defined.
func (s *Set) find(name string) *setting {
	if found := s.lookup(name); found != nil {
		return found
	}
	panic("settings: " + name + " is not defined")
}

func (s *Set) lookup(name string) *setting {
	i := slices.IndexFunc(s.settings, func(each *setting) bool { return each.Name == name })
	if i < 0 {
		return nil
	}
	return s.settings[i]
}

// Parse parses the command line, which overrides everything else. It returns
// [flag.ErrHelp] for --help.
func (s *Set) Parse(args []string) error {
	err := s.flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return s.commandLineError(err)
	case s.flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", s.flags.Arg(0))
	}
	s.flags.Visit(func(f *flag.Flag) { s.find(f.Name).where = "--" + f.Name })
	return nil
}

// commandLineError rewords an error of package flag.
func (s *Set) commandLineError(err error) error {
	if i := slices.IndexFunc(s.settings, func(each *setting) bool { return each.failed != nil }); i >= 0 {
		failed := s.settings[i]
		return failed.failed.at("--" + failed.Name)
	}
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		return fmt.Errorf("unknown flag --%s%s", name, suggest("--", name, s.names(func(*setting) bool { return true })))
	}
	return errors.New(strings.ReplaceAll(err.Error(), ": -", ": --"))
}

// Load sets what the command line has not set: from environ, which has the form of
// [os.Environ], and from the file. Its error has a line for each thing that is wrong.
func (s *Set) Load(environ []string) error {
	err := s.loadEnvironment(environ)
	if s.fileFlag == "" {
		return err
	}
	if path := s.flags.Lookup(s.fileFlag).Value.String(); path != "" {
		err = errors.Join(err, s.loadFile(path))
	}
	return err
}

// Where returns what the user has written to set a setting, for errors: "--listen",
// "AKASH_BRIDGE_LISTEN", or "bridge.yaml:3: listen". For a default it is the flag.
func (s *Set) Where(name string) string {
	if where := s.find(name).where; where != "" {
		return where
	}
	return "--" + name
}

// Changed returns the names of the settings whose values differ from those of other, which
// defines the same ones: those that can be reloaded, and those that cannot.
func (s *Set) Changed(other *Set) (reloadable, fixed []string) {
	for _, each := range s.settings {
		if each.Value.String() == other.find(each.Name).Value.String() {
			continue
		}
		if each.reloadable {
			reloadable = append(reloadable, each.Name)
		} else {
			fixed = append(fixed, each.Name)
		}
	}
	return reloadable, fixed
}

// Adopt takes the values of reloadable settings from other, for later comparisons. It does
// not change the variables of the settings.
func (s *Set) Adopt(other *Set) {
	for _, each := range s.settings {
		if each.reloadable {
			each.Value, each.where = other.find(each.Name).Value, other.find(each.Name).where
		}
	}
}

// target returns the setting that a value belongs to: one of the spare set's if the value
// is overridden, or nil if there is none.
func (s *Set) target(name string) *setting {
	found := s.lookup(name)
	if found == nil || found.where == "" {
		return found
	}
	if s.spare == nil {
		return nil
	}
	return s.spare.lookup(name)
}

// names returns the names of settings that are wanted.
func (s *Set) names(wanted func(*setting) bool) []string {
	var names []string
	for _, each := range s.settings {
		if wanted(each) {
			names = append(names, each.Name)
		}
	}
	return names
}
