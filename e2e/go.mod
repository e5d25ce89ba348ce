module github.com/podjoule/podjoule/e2e

go 1.26
