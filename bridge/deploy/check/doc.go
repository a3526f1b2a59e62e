// Package check checks the files of bridge/deploy with the parsers of the programs that
// read them. It is a module of its own, so that the bridge does not depend on these. Run it
// by `make test-deploy`.
package check
