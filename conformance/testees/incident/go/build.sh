#!/bin/sh
# Builds bin/incident, which all variants share. Several of these may run at once, beside testees
# that are already running: each links a file of its own, and the rename is atomic. The copy lets
# `go build` see that nothing has changed.
set -e
command -v go >/dev/null || { echo "this testee needs Go 1.21 or newer" >&2; exit 127; }
mkdir -p bin
own="bin/incident.$$"
trap 'rm -f "$own"' EXIT
cp bin/incident "$own" 2>/dev/null || true
GOFLAGS='-mod=readonly -buildvcs=false' CGO_ENABLED=0 go build -trimpath -o "$own" .
mv -f "$own" bin/incident
