package settings

import (
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Help prints the flags by group, in the form --name.
func (s *Set) Help(w io.Writer) {
	group := ""
	for _, each := range s.settings {
		if each.group != group {
			if group != "" {
				fmt.Fprintln(w)
			}
			group = each.group
			fmt.Fprintf(w, "%s:\n", group)
		}
		value, usage := unquoteUsage(each.Flag)
		fmt.Fprintf(w, "  --%s", each.Name)
		if value != "" {
			fmt.Fprintf(w, " %s", value)
		}
		fmt.Fprintf(w, "\n        %s", strings.ReplaceAll(usage, "\n", "\n        "))
		if each.DefValue != "" && each.DefValue != "false" && each.DefValue != "0" {
			fmt.Fprintf(w, " (default %s)", each.DefValue)
		}
		fmt.Fprintln(w)
	}
}

// unquoteUsage is [flag.UnquoteUsage] for a flag whose value is a checked one.
func unquoteUsage(f *flag.Flag) (name, usage string) {
	plain := *f
	plain.Value = f.Value.(*checked).Value
	return flag.UnquoteUsage(&plain)
}

// Print prints the settings that apply as a file for the flag of [Set.File], with where
// each comes from. Secrets are left out, as redacted by [Set.Secret].
func (s *Set) Print(w io.Writer) {
	group := ""
	for _, each := range s.settings {
		if each.command || each.Name == s.fileFlag {
			continue
		}
		if each.group != group {
			group = each.group
			fmt.Fprintf(w, "\n# %s\n", group)
		}
		each.print(w)
	}
}

func (s *setting) print(w io.Writer) {
	where := s.where
	if where == "" {
		where = "default"
	}
	where = strings.TrimSuffix(where, ": "+s.Name)
	l, isList := s.list()
	switch {
	case isList && len(l.values) > 0:
		fmt.Fprintf(w, "%s: # %s\n", s.Name, where)
		for _, value := range l.values {
			fmt.Fprintf(w, "  - %s\n", s.printable(value))
		}
	case isList || s.Value.String() == "":
		fmt.Fprintf(w, "# %s: %s\n", s.Name, s.absent())
	default:
		fmt.Fprintf(w, "%s: %s # %s\n", s.Name, s.printable(s.Value.String()), where)
	}
}

// printable returns a value as YAML, without its secrets.
func (s *setting) printable(value string) string {
	if s.redact != nil {
		value = s.redact(value)
	}
	switch s.Value.(*checked).want {
	case "": // text, which may need quotes
		text, err := yaml.Marshal(value)
		if err == nil {
			return strings.TrimSpace(string(text))
		}
	}
	return value
}

var defaultInUsage = regexp.MustCompile(`(?s)\(default (.*)\)$`)

// absent says what applies if a setting has no value.
func (s *setting) absent() string {
	_, usage := unquoteUsage(s.Flag)
	if match := defaultInUsage.FindStringSubmatch(usage); match != nil {
		return strings.ReplaceAll(match[1], "\n", " ") + " (default)"
	}
	return "not set"
}
