// The Prometheus operator, whose kinds the API server is to know in the tests.
module github.com/podjoule/podjoule/e2e/operator

go 1.26

require github.com/prometheus-operator/prometheus-operator v0.85.0
