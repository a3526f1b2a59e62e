package settings

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// program has a setting of each type.
type program struct {
	*Set
	listen  string
	origins []string
	hosts   []string
	keys    []string
	loud    bool
	limit   int
	ratio   float64
	wait    time.Duration
	file    string
	check   bool
}

func newProgram() *program {
	p := &program{Set: New("program", "PROGRAM_")}
	appendTo := func(values *[]string) func(string) error {
		return func(v string) error {
			if strings.Contains(v, "bad") {
				return errors.New("want a good one")
			}
			*values = append(*values, v)
			return nil
		}
	}
	p.Group("Listening")
	p.StringVar(&p.listen, "listen", "127.0.0.1:1", "`ADDRESS` to listen on")
	p.List("allow-origin", "`ORIGIN` of pages\n(default localhost,\nand others)", appendTo(&p.origins))
	p.List("host", "`NAME=URL` of a host", appendTo(&p.hosts))
	p.List("key", "secret `KEY`", appendTo(&p.keys))
	p.Group("Limits")
	p.BoolVar(&p.loud, "loud", false, "shout")
	p.IntVar(&p.limit, "limit", 7, "`NUMBER` of calls")
	p.Float64Var(&p.ratio, "ratio", 0.5, "a `RATIO`")
	p.DurationVar(&p.wait, "wait", time.Minute, "how long")
	p.File(&p.file, "config", "YAML `FILE`")
	p.Command(&p.check, "check", "check and exit")
	p.Secret(func(string) string { return "hidden" }, "key")
	p.Reloadable("allow-origin", "limit")
	p.Ignore("PROGRAM_PATH")
	return p
}

// load reads the settings of a command line, an environment and a file with a text.
func load(t *testing.T, text string, args []string, environ ...string) (*program, error) {
	t.Helper()
	p := newProgram()
	p.Spare(newProgram().Set)
	path := filepath.Join(t.TempDir(), "p.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	if err := p.Parse(append([]string{"--config", path}, args...)); err != nil {
		return p, err
	}
	err := p.Load(environ)
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), path, "p.yaml"))
	}
	return p, err
}

func TestAFileSetsEveryType(t *testing.T) {
	p, err := load(t, `
# A comment.
listen: 0.0.0.0:443
allow-origin:
  - "*"
  - https://a.example
host: {a: https://a, b: "https://b,c"}
key: one
loud: true
limit: 9
ratio: 0.25
wait: 5m
`, nil)
	require.NoError(t, err)
	assert.Equal(t, "0.0.0.0:443", p.listen)
	assert.Equal(t, []string{"*", "https://a.example"}, p.origins)
	assert.Equal(t, []string{"a=https://a", "b=https://b,c"}, p.hosts, "commas do not separate values in a file")
	assert.Equal(t, []string{"one"}, p.keys)
	assert.True(t, p.loud)
	assert.Equal(t, 9, p.limit)
	assert.Equal(t, 0.25, p.ratio)
	assert.Equal(t, 5*time.Minute, p.wait)
}

func TestAFlagOverridesTheEnvironmentWhichOverridesTheFile(t *testing.T) {
	file := "listen: file\nallow-origin: [file]\nlimit: 1\n"
	p, err := load(t, file, []string{"--listen", "flag", "--allow-origin", "flag, flag2", "--allow-origin=flag3"},
		"PROGRAM_LISTEN=environment", "PROGRAM_ALLOW_ORIGIN=environment", "PROGRAM_LIMIT=2", "PROGRAM_WAIT=3s")
	require.NoError(t, err)
	assert.Equal(t, "flag", p.listen)
	assert.Equal(t, []string{"flag", "flag2", "flag3"}, p.origins, "lists are not joined")
	assert.Equal(t, 2, p.limit)
	assert.Equal(t, 3*time.Second, p.wait)
	assert.Equal(t, 0.5, p.ratio)
	assert.Equal(t, "--listen", p.Where("listen"))
	assert.Equal(t, "PROGRAM_LIMIT", p.Where("limit"))
	assert.Equal(t, "--ratio", p.Where("ratio"))

	p, err = load(t, file, nil)
	require.NoError(t, err)
	assert.Equal(t, p.file+":3: limit", p.Where("limit"))
}

// Someone who removes a flag again should not find a mistake only then.
func TestOverriddenValuesAreCheckedToo(t *testing.T) {
	p, err := load(t, "limit: x\nallow-origin: [bad]\n", []string{"--limit", "1", "--allow-origin", "a", "--wait", "1s"},
		"PROGRAM_LIMIT=y", "PROGRAM_WAIT=z")
	assert.EqualError(t, err, `PROGRAM_LIMIT: "y": want a whole number, such as 10000
PROGRAM_WAIT: "z": want a duration with its unit, such as 30s, 5m or 1h
p.yaml:1: limit: "x": want a whole number, such as 10000
p.yaml:2: allow-origin: "bad": want a good one`)
	assert.Equal(t, 1, p.limit)
	assert.Equal(t, []string{"a"}, p.origins)
	assert.Equal(t, "--limit", p.Where("limit"))
}

func TestEmptyFilesAndVariablesSetNothing(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "---\n"} {
		p, err := load(t, text, nil, "PROGRAM_LIMIT=", "OTHER=x", "PROGRAMS=x", "PROGRAM_PATH=/x")
		require.NoError(t, err, text)
		assert.Equal(t, 7, p.limit)
	}
}

func TestErrorsOfTheFileSayWhereAndWhatIsWanted(t *testing.T) {
	for text, want := range map[string]string{
		"limit: many":                   `p.yaml:1: limit: "many": want a whole number, such as 10000`,
		"\n\nwait: 5":                   `p.yaml:3: wait: "5": want a duration with its unit, such as 30s, 5m or 1h`,
		"loud: yes":                     `p.yaml:1: loud: "yes": want true or false`,
		"ratio: x":                      `p.yaml:1: ratio: "x": want a number, such as 0.5`,
		"allow-origin:\n  - a\n  - bad": `p.yaml:3: allow-origin: "bad": want a good one`,
		"allow-origin: [a, '']":         `p.yaml:1: allow-origin: "": a value is empty`,
		"allow-origin: {a: b}":          "p.yaml:1: allow-origin: want a list",
		"allow-origin: [[a]]":           "p.yaml:1: allow-origin: want one value",
		"host: {a: [b]}":                "p.yaml:1: host: want one value",
		"host: {a: bad}":                `p.yaml:1: host: "a=bad": want a good one`,
		"key: bad secret":               `p.yaml:1: key: "hidden": want a good one`,
		"listen: [a]":                   "p.yaml:1: listen: want one value",
		"listen:":                       "p.yaml:1: listen: no value; remove the key for the default",
		"allow_origin: [a]":             `p.yaml:1: unknown setting "allow_origin"; did you mean allow-origin?`,
		"allow-origins: [a]":            `p.yaml:1: unknown setting "allow-origins"; did you mean allow-origin?`,
		"lsiten: a":                     `p.yaml:1: unknown setting "lsiten"; did you mean listen?`,
		"something: a":                  `p.yaml:1: unknown setting "something"`,
		"check: true":                   `p.yaml:1: unknown setting "check"`,
		"config: other.yaml":            "p.yaml:1: config: a file cannot name another one",
		"limit: 1\nlimit: 2":            "p.yaml:2: limit is already set in line 1",
		"limit: 1\n---\nlimit: 2":       "p.yaml:2: a second document; want one",
		"- limit":                       "p.yaml:1: want settings, such as listen: 127.0.0.1:8080",
		"listen: a\nallow-origin: *":    `p.yaml:2: not YAML: did not find expected alphabetic or numeric character; write * in quotes: "*"`,
		"allow-origin:\n  - *":          `p.yaml:2: not YAML: did not find expected alphabetic or numeric character; write * in quotes: "*"`,
		"limit: 1\n\tloud: true":        "p.yaml:2: not YAML: found a tab character that violates indentation",
		"limit: x\nwait: y":             "p.yaml:1: limit: \"x\": want a whole number, such as 10000\np.yaml:2: wait: \"y\": want a duration with its unit, such as 30s, 5m or 1h",
	} {
		_, err := load(t, text, nil)
		assert.EqualError(t, err, want, text)
	}
}

func TestErrorsOfTheCommandLineAndTheEnvironment(t *testing.T) {
	for _, test := range []struct {
		args    []string
		environ []string
		want    string
	}{
		{args: []string{"--lisen", "x"}, want: "unknown flag --lisen; did you mean --listen?"},
		{args: []string{"--unheard-of"}, want: "unknown flag --unheard-of"},
		{args: []string{"stray"}, want: `unexpected argument "stray"`},
		{args: []string{"--limit"}, want: "flag needs an argument: --limit"},
		{args: []string{"--limit", "x"}, want: `--limit: "x": want a whole number, such as 10000`},
		{args: []string{"--loud=x"}, want: `--loud: "x": want true or false`},
		{args: []string{"--key", "bad"}, want: `--key: "hidden": want a good one`},
		{environ: []string{"PROGRAM_LIMIT=x"}, want: `PROGRAM_LIMIT: "x": want a whole number, such as 10000`},
		{environ: []string{"PROGRAM_ALOW_ORIGIN=x"}, want: "unknown environment variable PROGRAM_ALOW_ORIGIN; did you mean PROGRAM_ALLOW_ORIGIN?"},
		{environ: []string{"PROGRAM_UNHEARD_OF=secret"}, want: "unknown environment variable PROGRAM_UNHEARD_OF"},
		{environ: []string{"PROGRAM_CHECK=1"}, want: "unknown environment variable PROGRAM_CHECK"},
		{environ: []string{"PROGRAM_A_PORT=1"}, want: "unknown environment variable PROGRAM_A_PORT"},
		{environ: []string{"PROGRAM_CONFIG=nowhere.yaml"}, want: "PROGRAM_CONFIG: open nowhere.yaml: no such file or directory"},
	} {
		p := newProgram()
		err := p.Parse(test.args)
		if err == nil {
			err = p.Load(test.environ)
		}
		assert.EqualError(t, err, test.want)
	}
}

// A service named "program" or "program-web" in the namespace sets these.
func TestKubernetesServiceLinksAreNoSettings(t *testing.T) {
	p := newProgram()
	require.NoError(t, p.Parse(nil))
	assert.NoError(t, p.Load([]string{
		"PROGRAM_SERVICE_HOST=10.0.0.1", "PROGRAM_SERVICE_PORT=80", "PROGRAM_SERVICE_PORT_HTTP=80",
		"PROGRAM_PORT=tcp://10.0.0.1:80", "PROGRAM_PORT_80_TCP=tcp://10.0.0.1:80", "PROGRAM_PORT_80_TCP_PROTO=tcp",
		"PROGRAM_PORT_80_TCP_PORT=80", "PROGRAM_PORT_80_TCP_ADDR=10.0.0.1",
		"PROGRAM_WEB_SERVICE_HOST=10.0.0.1", "PROGRAM_WEB_PORT=tcp://10.0.0.1:80",
	}))
}

func TestHelpHasGroupsInOrder(t *testing.T) {
	var help bytes.Buffer
	p := newProgram()
	require.ErrorIs(t, p.Parse([]string{"--help"}), flag.ErrHelp)
	p.Help(&help)
	assert.Regexp(t, `(?s)^Listening:\n  --listen ADDRESS\n        ADDRESS to listen on \(default 127.0.0.1:1\)\n  --allow-origin ORIGIN.*Limits:\n  --loud\n.*--wait duration\n.*\(default 1m0s\)`, help.String())
}

// What is printed can be used as a file, and says where each value comes from.
func TestPrintedSettingsAreAFile(t *testing.T) {
	args := []string{"--allow-origin", "*,https://a.example", "--host", "a=https://a", "--key", "password", "--loud", "--listen", "true"}
	p, err := load(t, "limit: 9\n", args, "PROGRAM_WAIT=90s")
	require.NoError(t, err)
	var printed bytes.Buffer
	p.Print(&printed)
	text := printed.String()
	assert.NotContains(t, text, "password")
	assert.Contains(t, text, "limit: 9 # "+p.file+":1\n")
	assert.Contains(t, text, "wait: 1m30s # PROGRAM_WAIT\n")
	assert.Contains(t, text, "ratio: 0.5 # default\n")
	again, err := load(t, text, nil)
	require.NoError(t, err, text)
	assert.Equal(t, p.origins, again.origins)
	assert.Equal(t, p.hosts, again.hosts)
	assert.Equal(t, []string{"hidden"}, again.keys)
	assert.Equal(t, "true", again.listen)
	assert.Equal(t, p.loud, again.loud)
	assert.Equal(t, p.wait, again.wait)

	p, err = load(t, "", nil)
	require.NoError(t, err)
	printed.Reset()
	p.Print(&printed)
	assert.Contains(t, printed.String(), "# allow-origin: localhost, and others (default)\n")
	assert.Contains(t, printed.String(), "# host: not set\n")
	_, err = load(t, printed.String(), nil)
	assert.NoError(t, err)
}

func TestChangedSettings(t *testing.T) {
	before, err := load(t, "limit: 1\nlisten: a\n", nil)
	require.NoError(t, err)
	after, err := load(t, "limit: 1\nlisten: b\nallow-origin: [x]\nwait: 1s\n", nil)
	require.NoError(t, err)
	reloadable, fixed := before.Changed(after.Set)
	assert.Equal(t, []string{"allow-origin"}, reloadable)
	assert.Equal(t, []string{"listen", "wait", "config"}, fixed)
	before.Adopt(after.Set)
	reloadable, fixed = before.Changed(after.Set)
	assert.Empty(t, reloadable)
	assert.Equal(t, []string{"listen", "wait", "config"}, fixed, "they still differ")
}

func TestATooLargeFileIsRefused(t *testing.T) {
	_, err := load(t, strings.Repeat("#", maxFile+1), nil)
	assert.ErrorContains(t, err, "more than 1048576 bytes")
}
