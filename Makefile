# See https://tech.davis-hansson.com/p/make/
SHELL := bash
.DELETE_ON_ERROR:
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --warn-undefined-variables
MAKEFLAGS += --no-builtin-rules
MAKEFLAGS += --no-print-directory

# The address of the dashboard for `make run`. By default another port is used if this
# one is taken; LISTEN=ADDRESS:PORT requires one.
LISTEN ?=

# A lie for `make run`: then the chain has three nodes, or NODES, and the first one tells
# it. bin/testserver --help lists the lies.
LIE ?=
NODES ?=

# Options of `make bench`: QUICK=1 for few rounds, SCALE=1 to also measure how cost
# grows with streams and providers, ONLY="bridge rest" for some parts only.
QUICK ?=
SCALE ?=
ONLY ?=

# What packages name as their repository, https://HOST/OWNER/NAME. `make publish` takes
# that of CI, or of the remote origin, where it is not said. DRY_RUN=1 publishes nothing.
REPOSITORY ?=
DRY_RUN ?=

# How often `make conformance` runs each suite.
REPEAT ?= 1

# The browsers of `make test-browsers` (default: all) and `make conformance` (default:
# chromium), and what Debian calls them. Not taken from the environment, where BROWSER is
# the program that opens links.
BROWSER =
need_chromium := chromium=chromium
need_firefox := firefox-esr=firefox-esr
need_webkit := WebKitWebDriver=webkit2gtk-driver Xvfb=xvfb

# FAST=1 leaves the slow checks out of `make test-deploy`.
FAST ?=

# Where `make test-dashboards` puts a picture.
SCREENSHOT ?=

# Options of `make chaos`: SEED=N selects the faults and their times, ONLY="fetch REST
# worker" the runs with these words in their name.
SEED ?=

# Options of `make soak`: how long it runs, and how many streams are open.
MINUTES ?= 10
HOURS ?= 0
STREAMS ?= 1000

# How long `make fuzz` runs each target. ONLY="FuzzPeer" runs those with the word in
# their package or name.
DURATION ?= 2m

# Tools are pinned. Each is installed in a directory with its version in the name, so
# that a new version is a missing file.
TOOLS := $(abspath .tools)
BUF := $(abspath npm/test/clients/node_modules/.bin/buf)
PROTOC_GEN_GO := $(TOOLS)/protoc-gen-go@v1.36.12/protoc-gen-go
PROTOC_GEN_GO_GRPC := $(TOOLS)/protoc-gen-go-grpc@v1.6.2/protoc-gen-go-grpc
STATICCHECK := $(TOOLS)/staticcheck@v0.8.2/staticcheck
TOXIPROXY := $(TOOLS)/toxiproxy@v2.5.0/server
GRPCURL := $(TOOLS)/grpcurl@v1.9.4/grpcurl
CYCLONEDX := $(TOOLS)/cyclonedx-gomod@v1.10.0/cyclonedx-gomod
ACTIONLINT := $(TOOLS)/actionlint@v1.7.12/actionlint
KUBECTL_VALIDATE := $(TOOLS)/kubectl-validate@v0.0.4/kubectl-validate
GOVULNCHECK := $(TOOLS)/govulncheck@v1.9.0/govulncheck
GRPCWEBPROXY := $(TOOLS)/grpcwebproxy@v0.15.0/grpcwebproxy

# What is built, in the order of dependencies: the module, the npm package around it,
# the web files made of both, and the bridge that embeds them.
WASM := npm/dist/akash-provider-web.wasm
SYMBOLS := bin/akash-provider-web.symbols
NODE_MODULES := npm/node_modules/.package-lock.json
PACKAGE_MODULES := npm/test/package/node_modules/.package-lock.json
README_MODULES := npm/test/readme/node_modules/.package-lock.json
REACT_18_MODULES := npm/test/react-18/node_modules/.package-lock.json
NODES_MODULES := npm/test/nodes/node_modules/.package-lock.json
WALLETS_MODULES := web/wallets/node_modules/.package-lock.json
BROWSERS_MODULES := npm/test/browsers/node_modules/.package-lock.json
RUNTIMES_MODULES := npm/test/runtimes/node_modules/.package-lock.json
CLIENTS_MODULES := npm/test/clients/node_modules/.package-lock.json
DOCS_MODULES := npm/typedoc/node_modules/.package-lock.json
WEB_MODULES := web/node_modules/.package-lock.json
BENCH_MODULES := testserver/bench/node_modules/.package-lock.json
NPM := npm/dist/akash-provider-web.js
WEB := web/dist/index.html
BRIDGE := bin/akash-provider-bridge
TESTSERVER := bin/testserver
EMPTY := bin/empty.wasm

# JavaScript, TypeScript and CSS outside the npm package, for Biome.
WEB_SOURCES := $(shell find web/src web/test -type f -not -name "*.svg" 2>/dev/null) $(wildcard web/*.mjs web/*.mts web/*.js web/*.ts web/wallets/*.ts \
  testserver/*.mjs testserver/*.mts testserver/bench/*.mjs testserver/bench/driver/*.mjs testserver/bench/page/*.ts \
  testserver/chaos/*.mjs testserver/chaos/page/*.js testserver/conformance/*.mjs testserver/conformance/client/*.ts)

# The size budget of the module, as a multiple of an empty Go program's size, both
# compressed with brotli.
SIZE_BUDGET := 0.95

# The flags of every build: no paths of this machine, and no symbols.
# npm/programs/build.mjs has the same.
GO_BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w -buildid='

# go_files lists the sources in directories, which need not exist.
go_files = $(shell find $(1) -name '*.go' -not -name '*_test.go' 2>/dev/null) go.mod go.sum
PROTO_GO := $(shell find proto -name '*.pb.go')

.PHONY: help
help: ## Describe useful make targets
	@grep -E '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/' | \
		while IFS=$$'\t' read -r target text; do printf '%-14s %s\n' "$$target" "$$text"; done

.PHONY: build
build: $(WASM) $(NPM) $(WEB) $(BRIDGE) $(TESTSERVER) ## Build everything into bin/ and npm/dist/

.PHONY: run
run: build ## Start the demo: a fake provider and chain, the bridge, the dashboard
	@exec node web/demo.mjs $(if $(LISTEN),--listen '$(LISTEN)') $(if $(LIE),--lie '$(LIE)') $(if $(NODES),--nodes '$(NODES)')

.PHONY: dev
dev: build ## Start what make run does, built and reloaded when a source changes
	@exec node web/dev.mjs $(if $(LISTEN),--listen '$(LISTEN)')

# The checks to run before each commit. They take less than a minute if little has
# changed, since Go caches the results of unchanged packages. `make test` runs
# everything.
.PHONY: check
check: $(NPM) $(WEB_MODULES) lint-quick ## Check formatting, types and style, and run the quick tests
	go test -short $$(go list ./... | grep -v -e /bridge$$ -e /bridge/rest$$ -e /conformance -e /testserver)
	cd npm && npx vitest run --project page --reporter=dot
	cd web && npx vitest run --reporter=dot

.PHONY: lint-quick
lint-quick: $(NPM) $(NODE_MODULES) $(WEB_MODULES) $(STATICCHECK)
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); [ -z "$$unformatted" ] || \
		{ echo "not formatted (run gofmt -w):"; echo "$$unformatted"; exit 1; } >&2
	go vet ./...
	$(STATICCHECK) ./...
	cd npm && npx biome ci --error-on-warnings .
	npm/node_modules/.bin/biome ci --error-on-warnings --config-path=npm/biome.json $(WEB_SOURCES)
	cd npm && npx tsc --noEmit
	cd web && npx tsc

.PHONY: test
test: lint test-go test-npm test-web test-wallets test-e2e test-package test-conformance test-chaos test-attack size ## Run all checks and tests

.PHONY: lint
lint: lint-go lint-npm lint-package docs ## Check formatting, types and style

# For WebAssembly the check for unused code is off, because staticcheck does not know
# go:wasmexport.
.PHONY: lint-go
lint-go: $(STATICCHECK)
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); [ -z "$$unformatted" ] || \
		{ echo "not formatted (run gofmt -w):"; echo "$$unformatted"; exit 1; } >&2
	go vet ./...
	GOOS=js GOARCH=wasm go vet ./wasm/...
	$(STATICCHECK) ./...
	GOOS=js GOARCH=wasm $(STATICCHECK) -checks=inherit,-U1000 ./wasm/...

# The benchmark's peers are a module of their own, whose dependencies nothing else needs.
.PHONY: lint-bench
lint-bench: $(STATICCHECK) ## Check the benchmark's Go code
	cd testserver/bench && GOFLAGS=-mod=mod go vet ./... && GOFLAGS=-mod=mod $(STATICCHECK) ./...

# The dashboard is checked against the types of the built package.
.PHONY: lint-npm
lint-npm: $(NPM) $(NODE_MODULES) $(WEB_MODULES)
	cd npm && npx biome ci --error-on-warnings .
	npm/node_modules/.bin/biome ci --error-on-warnings --config-path=npm/biome.json $(WEB_SOURCES)
	cd npm && npx tsc --noEmit
	cd web && npx tsc

# The package as packed by npm: its package.json, and its types with every supported
# version of TypeScript.
.PHONY: lint-package
lint-package: $(NPM) $(PACKAGE_MODULES)
	cd npm && node test/package/check.mjs

# What starts goroutines runs under the race detector, which needs a C compiler; the rest,
# much slower under it and with nothing to race, does not. `make lint` has vetted, and
# without DWARF the many test programs are linked sooner. Package browser runs in Node, with
# a server beside it.
.PHONY: test-go
test-go: $(NODE_MODULES) ## Run the Go tests
	@.ci/need gcc=gcc,libc6-dev curl=curl
	go test -race -vet=off -ldflags=-w ./bridge/... ./testserver/... ./wasm/...
	go test ./proto/... ./web/...
	GOOS=js GOARCH=wasm go test -exec="$$(go env GOROOT)/lib/wasm/go_js_wasm_exec" ./wasm/browser

# The programs are packed for every platform. Compiling all of their dependencies for
# another one takes a minute or two, so that only the workflow does it.
.PHONY: build-windows
build-windows: ## Compile the programs for Windows, where most differs
	GOOS=windows go build -o /dev/null ./bridge
	GOOS=windows go build -o /dev/null ./testserver

.PHONY: test-npm
test-npm: $(NPM) ## Run the npm package's tests outside a browser
	cd npm && npm test

.PHONY: test-web
test-web: $(NPM) $(WEB_MODULES) ## Run the dashboard's tests outside a browser
	cd web && npx vitest run

# The packages of Keplr and Leap are many, so they are not among the dashboard's.
.PHONY: test-wallets
test-wallets: $(WEB_MODULES) $(WALLETS_MODULES) ## Compare the dashboard's use of wallets with what Keplr and Leap publish
	cd web && npx tsc -p wallets
	cd web && npx vitest run --config wallets/vitest.config.ts

.PHONY: screenshots
screenshots: build ## Write pictures of every view of the dashboard into bin/screenshots
	@.ci/need chromium=chromium
	@node web/screenshots.mjs

# Headless Chromium without a window's components takes half the time. The tests of
# packages, conformance and chaos use the full one, so that both are tested, and so do the
# end-to-end tests that need windows. Slow variants run in `make test-browsers`, or with SLOW=1.
.PHONY: test-e2e
test-e2e: build $(REACT_18_MODULES) $(NODES_MODULES) $(README_MODULES) $(CLIENTS_MODULES) $(GRPCURL) ## Run the end-to-end tests in headless Chromium
	@.ci/need chromium-headless-shell=chromium-headless-shell chromium=chromium nginx=nginx-light haproxy=haproxy openssl=openssl grpc_python_plugin=protobuf-compiler-grpc,protobuf-compiler,python3-grpcio,python3-protobuf,libprotobuf-dev
	cd npm && CHROMIUM="$${CHROMIUM:-$$(command -v chromium-headless-shell)}" CHROMIUM_WITH_WINDOWS="$$(command -v chromium)" \
	  npx vitest run --config test/e2e/vitest.config.ts

# What of the end-to-end tests makes sense everywhere, in the browsers that Debian ships.
# They take a quarter of an hour in each, so that `make test` has Chromium alone.
.PHONY: test-browsers
test-browsers: build $(BROWSERS_MODULES) $(REACT_18_MODULES) ## Run the end-to-end tests in Chromium, Firefox and WebKit (BROWSER=webkit, ONLY="logs ends"); bin/browsers.json
	@.ci/need $(need_chromium) $(need_firefox) $(need_webkit) nginx=nginx-light haproxy=haproxy openssl=openssl
	@cd npm && ONLY='$(ONLY)' node test/browsers/run.mjs $(BROWSER)

.PHONY: browser-table
browser-table: ## Write the results of test-browsers, bin/browsers.json, into the README
	node npm/test/browsers/table.mjs

# The programs are 350 MB, so that `make test` does without them.
.PHONY: test-runtimes
test-runtimes: build $(RUNTIMES_MODULES) ## Get a status and follow a log in Bun, Deno and workerd, Cloudflare's runtime
	cd npm && npx vitest run --config test/runtimes/vitest.config.ts

# The end-to-end tests have it with 8 MiB, without the times.
.PHONY: test-files
test-files: build ## Send 100 MiB into a container and back, compare their SHA-256, and print the times beside the raw WebSocket
	@.ci/need chromium=chromium
	cd npm && FIGURES=1 npx vitest run --config test/e2e/vitest.config.ts test/e2e/shell-figures.test.ts -t '100 MiB' --disable-console-intercept

# `make test` has a log of 300,000 lines, without the times.
.PHONY: dashboard-figures
dashboard-figures: build ## Measure the dashboard with a log of a million lines, and with 10,000 a second
	@.ci/need chromium=chromium
	cd npm && FIGURES=1 npx vitest run --config test/e2e/vitest.config.ts test/e2e/dashboard-figures.test.ts -t 'a million lines' --disable-console-intercept

.PHONY: dashboard-soak
dashboard-soak: build ## Follow ten logs in the dashboard for ten minutes (MINUTES=60), and look whether memory grows
	@.ci/need chromium=chromium
	cd npm && FIGURES=1 MINUTES='$(MINUTES)' npx vitest run --config test/e2e/vitest.config.ts test/e2e/dashboard-figures.test.ts -t 'ten logs' --disable-console-intercept

# The packed package in a small project for each bundler, built and run. The quick ones
# are part of `make test`, as are the packages of the programs.
.PHONY: test-bundlers
test-bundlers: build ## Build and run a project with each bundler, from the packed package; edit the source of open pages in Vite and Next.js
	@.ci/need chromium=chromium
	cd npm && npx vitest run --config test/bundlers/vitest.config.ts

.PHONY: test-package
test-package: build
	@.ci/need chromium=chromium
	cd npm && BUNDLERS='esbuild script node' npx vitest run --config test/bundlers/vitest.config.ts bundlers.test.ts
	cd npm && npx vitest run --config test/programs/vitest.config.ts

.PHONY: test-conformance
test-conformance: ## Run each mode of the conformance suite once
	@.ci/need chromium=chromium
	@node testserver/conformance/run.mjs --short

.PHONY: npm-packages
npm-packages: build ## Pack the package and, for every platform, the programs into bin/npm/
	@mkdir -p bin/npm
	REPOSITORY='$(REPOSITORY)' node npm/pack.mjs
	REPOSITORY='$(REPOSITORY)' node npm/programs/build.mjs

# Archives, packages and bills of materials of a commit. The time of their files is the
# commit's, so that the same commit and the same Go give the same bytes. Debian packages
# need dpkg-deb.
VERSION = $(shell node -p 'require("./npm/package.json").version')
.PHONY: release
release: $(WEB) $(CYCLONEDX) ## Build the archives of a release for every platform into bin/release
	go run ./bridge/deploy/release -version '$(VERSION)' -commit "$$(git rev-parse HEAD)" \
	  -epoch "$$(git log -1 --format=%ct)" -sbom '$(CYCLONEDX)' -deb="$$(command -v dpkg-deb >/dev/null && echo true || echo false)"

# The database of vulnerabilities is at vuln.go.dev, which not every network reaches.
.PHONY: vulnerabilities
vulnerabilities: $(GOVULNCHECK) ## Look for known vulnerabilities in the code that is used (needs vuln.go.dev)
	$(GOVULNCHECK) ./bridge ./testserver
	GOOS=js GOARCH=wasm $(GOVULNCHECK) ./wasm

# Make's own --dry-run, which runs nothing but lines with a plus, is npm's as well.
.PHONY: publish
publish: ## Pack everything and publish it to npm (DRY_RUN=1: npm says what it would do)
	+@REPOSITORY='$(REPOSITORY)' node npm/publish.mjs $(if $(DRY_RUN)$(findstring n,$(firstword -$(MAKEFLAGS))),--dry-run)

# The files that install the bridge, each with the parser of the program that reads it. The
# schemas of Kubernetes 1.30 are the latest that kubectl-validate brings along. The steps of
# the Dockerfile run twice; FAST=1 leaves these out.
.PHONY: test-deploy
test-deploy: $(CLIENTS_MODULES) $(ACTIONLINT) $(KUBECTL_VALIDATE) ## Check the Dockerfile, and the files for compose, Kubernetes, Akash and systemd
	@.ci/need systemd-analyze=systemd
	$(ACTIONLINT) .github/workflows/*.yml
	$(KUBECTL_VALIDATE) --version 1.30 $(filter-out %/kustomization.yaml %/service-monitor.yaml,$(wildcard bridge/deploy/kubernetes/*.yaml))
	cd bridge/deploy/check && go test $(if $(FAST),-short) -timeout 20m ./...

# The dashboard's queries and the alerts, with a real Prometheus. Grafana itself does not run.
.PHONY: test-dashboards
test-dashboards: build ## Check the alerts, and the dashboard's queries against Prometheus (SCREENSHOT=FILE keeps a picture)
	@.ci/need prometheus=prometheus promtool=prometheus $(if $(SCREENSHOT),chromium=chromium)
	promtool check config bridge/deploy/prometheus/prometheus.yaml
	promtool test rules bridge/deploy/prometheus/alerts.test.yaml
	node bridge/deploy/check/dashboards.mjs $(if $(SCREENSHOT),--screenshot '$(SCREENSHOT)')

.PHONY: conformance
conformance: ## Run connectrpc's conformance suite (REPEAT=10: ten times; BROWSER="firefox webkit": our client there); bin/conformance.json
	@.ci/need $(foreach browser,$(or $(BROWSER),chromium),$(need_$(browser)))
	@$(foreach browser,$(or $(BROWSER),chromium),node testserver/conformance/run.mjs --repeat $(REPEAT) --browser $(browser);)

.PHONY: test-chaos
test-chaos: build $(TOXIPROXY) ## Run a short part of make chaos
	@.ci/need chromium=chromium haproxy=haproxy openssl=openssl
	@TOXIPROXY='$(TOXIPROXY)' node testserver/chaos/run.mjs --short

.PHONY: chaos
chaos: build $(TOXIPROXY) ## Follow logs while bridges and provider are killed, connections cut and stalled; bin/chaos.json
	@.ci/need chromium=chromium haproxy=haproxy openssl=openssl
	@TOXIPROXY='$(TOXIPROXY)' node testserver/chaos/run.mjs $(if $(SEED),--seed $(SEED)) $(ONLY)

# `make test` tells every sixth lie in one setting.
.PHONY: test-trust
test-trust: ## Let nodes of the chain lie to the bridge in every way, and say which lies were believed
	go test ./bridge -run TestLiesOfChainNodes -every-lie -v -timeout 30m

# What verifies the chain's answers, beside CometBFT's light client and the Cosmos SDK:
# hundreds of modules, which take minutes to download and compile.
.PHONY: test-trust-oracle
test-trust-oracle: $(STATICCHECK) ## Compare the verification of the chain's answers with CometBFT's and the Cosmos SDK's
	cd testserver/trust && GOFLAGS=-mod=mod go vet ./... && GOFLAGS=-mod=mod $(STATICCHECK) ./...
	cd testserver/trust && GOFLAGS=-mod=mod go test -v ./...

.PHONY: test-attack
test-attack: $(BRIDGE) ## Run a few attacks of make attack
	@go run ./testserver/attack --short

.PHONY: attack
attack: $(BRIDGE) ## Attack a bridge as a caller, a provider and a chain node; bin/attack.json (ONLY="gRPC flood": some attacks)
	@go run ./testserver/attack $(ONLY)

.PHONY: soak
soak: $(BRIDGE) ## Run 1,000 streams with faults for ten minutes (MINUTES=3, HOURS=8, STREAMS=400), and look for what grows; bin/soak.json
	@go run ./testserver/soak --minutes $(MINUTES) --hours $(HOURS) --streams $(STREAMS)

# `make test` runs the fuzz targets with the inputs in the repository only.
.PHONY: fuzz
fuzz: ## Fuzz everything that decodes bytes from outside (DURATION=2m for each target)
	@.ci/fuzz '$(DURATION)' '$(or $(ONLY),.)'

# Not part of `make test`: the 25 packages are compiled with the fuzzer's instruments, which
# takes minutes. CI runs it after the tests.
.PHONY: fuzz-short
fuzz-short:
	@.ci/fuzz 500ms

.PHONY: size
size: $(WASM) $(EMPTY) ## Print the module's size beside an empty Go program's; bin/size.json
	@node testserver/bench/size.mjs $(WASM) $(EMPTY) bin/size.json $(SIZE_BUDGET)

.PHONY: bench
bench: build $(EMPTY) $(GRPCWEBPROXY) $(BENCH_MODULES) ## Measure beside the peers (QUICK=1: few rounds; SCALE=1: growth too); bin/bench.json
	@.ci/need chromium=chromium
	@GRPCWEBPROXY='$(GRPCWEBPROXY)' node testserver/bench/run.mjs $(if $(QUICK),--quick) $(if $(SCALE),--scale) $(ONLY)

# The reference is generated from the doc comments, which are part of the package for
# editors. A copy in the repository would become stale, and one in the package would
# double its size.
.PHONY: docs
docs: $(NODE_MODULES) $(DOCS_MODULES) ## Write the API reference into bin/docs
	@cd npm/typedoc && npx typedoc --logLevel Warn

.PHONY: proto
proto: $(CLIENTS_MODULES) $(PROTOC_GEN_GO) $(PROTOC_GEN_GO_GRPC) ## Generate Go from the .proto files
	cd proto && PATH="$(dir $(PROTOC_GEN_GO)):$(dir $(PROTOC_GEN_GO_GRPC)):$$PATH" $(BUF) generate

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf .tools bin npm/{LICENSE,dist,node_modules} npm/typedoc/node_modules npm/test/{browsers,clients,nodes,package,react-18,readme,runtimes}/node_modules
	rm -rf testserver/{bench,conformance}/{dist,gen,node_modules} web/{bundle,node_modules} web/wallets/node_modules
	find web/dist -mindepth 1 -not -name .gitkeep -delete

# The symbols for stack traces of the module are kept beside it. Pages do not load them.
$(WASM): $(call go_files,wasm) $(PROTO_GO)
	@mkdir -p $(@D) $(dir $(SYMBOLS))
	GOOS=js GOARCH=wasm $(GO_BUILD) -o $@ ./wasm
	go run ./wasm/trim $@ $(SYMBOLS)

$(NODE_MODULES): npm/package.json npm/package-lock.json
	cd npm && npm ci --no-audit --no-fund
	@touch $@

$(PACKAGE_MODULES): npm/test/package/package.json npm/test/package/package-lock.json
	cd npm/test/package && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(REACT_18_MODULES): npm/test/react-18/package.json npm/test/react-18/package-lock.json
	cd npm/test/react-18 && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(NODES_MODULES): npm/test/nodes/package.json npm/test/nodes/package-lock.json
	cd npm/test/nodes && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(BROWSERS_MODULES): npm/test/browsers/package.json npm/test/browsers/package-lock.json
	cd npm/test/browsers && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(RUNTIMES_MODULES): npm/test/runtimes/package.json npm/test/runtimes/package-lock.json
	cd npm/test/runtimes && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(CLIENTS_MODULES): npm/test/clients/package.json npm/test/clients/package-lock.json
	cd npm/test/clients && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(README_MODULES): npm/test/readme/package.json npm/test/readme/package-lock.json
	cd npm/test/readme && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(DOCS_MODULES): npm/typedoc/package.json npm/typedoc/package-lock.json
	cd npm/typedoc && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(WEB_MODULES): web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(WALLETS_MODULES): web/wallets/package.json web/wallets/package-lock.json
	cd web/wallets && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(BENCH_MODULES): testserver/bench/package.json testserver/bench/package-lock.json
	cd testserver/bench && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(NPM): $(WASM) $(NODE_MODULES) npm/build.mjs $(shell find npm/src -type f 2>/dev/null)
	cd npm && node build.mjs
	@touch $@

$(WEB): $(NPM) $(WASM) $(WEB_MODULES) web/bundle.mjs $(call go_files,web/build) $(shell find web/src -type f)
	node web/bundle.mjs
	go run ./web/build
	@touch $@

$(BRIDGE): $(call go_files,bridge) $(PROTO_GO) $(wildcard web/*.go) $(WEB)
	@mkdir -p $(@D)
	$(GO_BUILD) -o $@ ./bridge

$(TESTSERVER): $(call go_files,testserver/main.go testserver/fake) $(PROTO_GO)
	@mkdir -p $(@D)
	$(GO_BUILD) -o $@ ./testserver

$(EMPTY): testserver/bench/empty/main.go go.mod
	@mkdir -p $(@D)
	GOOS=js GOARCH=wasm $(GO_BUILD) -o $@ $<

# go_install installs a tool into the directory with its version in the name.
go_install = GOBIN=$(@D) go install $(1)@$(lastword $(subst @, ,$(@D)))

$(PROTOC_GEN_GO):
	$(call go_install,google.golang.org/protobuf/cmd/protoc-gen-go)

$(PROTOC_GEN_GO_GRPC):
	$(call go_install,google.golang.org/grpc/cmd/protoc-gen-go-grpc)

$(STATICCHECK):
	$(call go_install,honnef.co/go/tools/cmd/staticcheck)

$(TOXIPROXY):
	$(call go_install,github.com/Shopify/toxiproxy/v2/cmd/server)

$(GRPCURL):
	$(call go_install,github.com/fullstorydev/grpcurl/cmd/grpcurl)

$(CYCLONEDX):
	$(call go_install,github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod)

$(ACTIONLINT):
	$(call go_install,github.com/rhysd/actionlint/cmd/actionlint)

$(KUBECTL_VALIDATE):
	$(call go_install,sigs.k8s.io/kubectl-validate)

$(GOVULNCHECK):
	$(call go_install,golang.org/x/vuln/cmd/govulncheck)

$(GRPCWEBPROXY):
	$(call go_install,github.com/improbable-eng/grpc-web/go/grpcwebproxy)
