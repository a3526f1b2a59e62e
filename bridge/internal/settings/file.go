package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile is the maximum size of a file of settings.
const maxFile = 1 << 20

// ReadFile reads a file of settings. It returns an error if the file is too large to be one.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	return text, err
}

// loadFile sets what neither the command line nor the environment has set.
func (s *Set) loadFile(path string) error {
	text, err := ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Where(s.fileFlag), err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	err = decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil // an empty file
	}
	if err == nil {
		if err = decoder.Decode(&more); err == nil {
			return fmt.Errorf("%s:%d: a second document; want one", path, more.Line)
		}
	}
	if !errors.Is(err, io.EOF) {
		return syntaxError(path, text, err)
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil // only comments
	}
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: want settings, such as listen: 127.0.0.1:8080", path, root.Line)
	}
	var failed []error
	seen := map[string]int{}
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		where := fmt.Sprintf("%s:%d: ", path, key.Line)
		if line, again := seen[key.Value]; again {
			failed = append(failed, fmt.Errorf("%s%s is already set in line %d", where, key.Value, line))
			continue
		}
		seen[key.Value] = key.Line
		failed = append(failed, s.setFromFile(path, where, key, value))
	}
	return errors.Join(failed...)
}

func (s *Set) setFromFile(path, where string, key, value *yaml.Node) error {
	found := s.lookup(key.Value)
	switch {
	case found == nil || found.command:
		inFile := s.names(func(each *setting) bool { return !each.command && each.Name != s.fileFlag })
		return fmt.Errorf("%sunknown setting %q%s", where, key.Value, suggest("", key.Value, inFile))
	case found.Name == s.fileFlag:
		return fmt.Errorf("%s%s: a file cannot name another one", where, key.Value)
	}
	if found = s.target(found.Name); found == nil {
		return nil // overridden
	}
	found.where = where + found.Name
	at := func(n *yaml.Node) string { return fmt.Sprintf("%s:%d: %s", path, n.Line, found.Name) }
	l, isList := found.list()
	switch {
	case isList && value.Kind == yaml.SequenceNode:
		for _, item := range value.Content {
			text, err := scalar(item)
			if err != nil {
				return fmt.Errorf("%s: %w", at(item), err)
			}
			if err := found.apply(text, at(item), l.addOne); err != nil {
				return err
			}
		}
	case isList && value.Kind == yaml.MappingNode && found.isPairs():
		for i := 0; i < len(value.Content); i += 2 {
			name, item := value.Content[i], value.Content[i+1]
			text, err := scalar(item)
			if err != nil {
				return fmt.Errorf("%s: %w", at(item), err)
			}
			if err := found.apply(name.Value+"="+text, at(name), l.addOne); err != nil {
				return err
			}
		}
	case isList:
		text, err := scalar(value)
		if err != nil {
			return fmt.Errorf("%s: want a list", at(value))
		}
		if err := found.apply(text, at(value), l.addOne); err != nil {
			return err
		}
	default:
		text, err := scalar(value)
		if err != nil {
			return fmt.Errorf("%s: %w", at(value), err)
		}
		if err := found.set(text, at(value)); err != nil {
			return err
		}
	}
	found.where = where + found.Name
	return nil
}

// scalar returns the text of a single value.
func scalar(n *yaml.Node) (string, error) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return "", errors.New("no value; remove the key for the default")
	case n.Kind == yaml.ScalarNode:
		return n.Value, nil
	case n.Kind == yaml.AliasNode:
		return "", errors.New(`an alias of YAML is not supported; write * in quotes: "*"`)
	}
	return "", errors.New("want one value")
}

// isPairs reports whether a list's values have the form NAME=VALUE.
func (s *setting) isPairs() bool {
	name, _ := unquoteUsage(s.Flag)
	return strings.Contains(name, "=")
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntaxError rewords an error of the YAML parser.
func syntaxError(path string, text []byte, err error) error {
	match := yamlLine.FindStringSubmatch(err.Error())
	if match == nil {
		return fmt.Errorf("%s: not YAML: %w", path, err)
	}
	line, _ := strconv.Atoi(match[1])
	hint := ""
	if lines := strings.Split(string(text), "\n"); strings.Contains(match[2], "alias") || strings.Contains(match[2], "alphabetic") {
		// The parser reports the line before or after that of a *.
		for at := max(line-1, 1); at <= min(line+1, len(lines)); at++ {
			if bareStar.MatchString(lines[at-1]) {
				line, hint = at, `; write * in quotes: "*"`
				break
			}
		}
	}
	return fmt.Errorf("%s:%d: not YAML: %s%s", path, max(line, 1), match[2], hint)
}

var bareStar = regexp.MustCompile(`(^|[:\-\[,]\s*)\*`)
