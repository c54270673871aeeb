# The first two commands on a fresh machine are `make run` and `make test`.
# Everything else is a part of those, or measures.

GO ?= go
# Longer and more: make e2e LONG=1
LONG ?=
FUZZTIME ?= 20s

.PHONY: build run test unit hsm e2e race lint fuzz bench check peers differences clean

run:
	$(GO) run ./cmd/multimail serve --dev

build:
	$(GO) build -trimpath -o bin/multimail ./cmd/multimail

# All tests; installs the programs they talk to (Debian packages when root).
test: lint unit hsm e2e

unit:
	$(GO) test ./...

# Keys in a PKCS #11 token: needs cgo and SoftHSM.
hsm: peers
	CGO_ENABLED=1 $(GO) test -tags pkcs11 -count 1 ./internal/hsm

e2e: peers
	LONG=$(LONG) $(GO) test -tags e2e -count 1 -timeout 60m ./test/e2e

peers:
	./test/peers/install

# What go-smtp's server still does otherwise. A report: it passes when the library
# has improved, and then says what is GONE.
differences:
	$(GO) test -tags differences -count 1 -v -run TestDifferences ./smtpd

race:
	$(GO) test -race ./...

lint:
	@test -z "$$(gofmt -s -l . | tee /dev/stderr)"
	$(GO) vet ./...
	$(GO) vet -tags 'e2e differences fixtures' ./...
	CGO_ENABLED=1 $(GO) vet -tags pkcs11 ./internal/hsm ./internal/daemon

fuzz:
	./test/fuzz $(FUZZTIME)

bench:
	$(GO) test -run '^$$' -bench . -benchtime 2s ./test/bench

# What CI runs beside the tests: nothing generated is stale, nothing is untidy.
check: lint
	$(GO) mod tidy -diff
	git diff --exit-code

clean:
	rm -rf bin
