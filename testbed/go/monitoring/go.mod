// Only files are taken from this module, so `go mod tidy` would remove it; `go mod download` keeps go.sum right.
module trainwright.dev/testbed/monitoring

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
