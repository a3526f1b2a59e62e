package settings

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Variable returns the name of a setting's environment variable.
func (s *Set) Variable(name string) string {
	return s.prefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// loadEnvironment sets what the command line has not. Empty variables count as absent,
// since compose files and shells cannot always leave one out.
func (s *Set) loadEnvironment(environ []string) error {
	var failed []error
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		variable, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(variable, s.prefix) || value == "" || slices.Contains(s.ignored, variable) {
			continue
		}
		i := slices.IndexFunc(s.settings, func(each *setting) bool { return !each.command && s.Variable(each.Name) == variable })
		switch {
		case i >= 0:
			if target := s.target(s.settings[i].Name); target != nil {
				failed = append(failed, target.set(value, variable))
			}
		case !isServiceLink(strings.TrimPrefix(variable, s.prefix), value):
			failed = append(failed, fmt.Errorf("unknown environment variable %s%s", variable, suggest("", variable, s.variables())))
		}
	}
	return errors.Join(failed...)
}

func (s *Set) variables() []string {
	names := s.names(func(each *setting) bool { return !each.command })
	for i, name := range names {
		names[i] = s.Variable(name)
	}
	return names
}

// serviceLink matches the ends of the variables that Kubernetes sets in each container for
// each service of its namespace. Those of a service whose name begins with akash-bridge
// have our prefix.
// See https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables.
var serviceLink = regexp.MustCompile(`(^|_)(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// isServiceLink reports whether a variable is not the user's but one of Kubernetes.
func isServiceLink(variable, value string) bool {
	match := serviceLink.FindStringSubmatch(variable)
	if match == nil {
		return false
	}
	// A variable that just ends in PORT could be a misspelled setting. That of a service
	// has a URL.
	return match[2] != "PORT" || strings.Contains(value, "://")
}
