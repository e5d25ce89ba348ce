module github.com/podjoule/podjoule/e2e/receivers

go 1.26
