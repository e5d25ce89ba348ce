// Apart from the program, as what uses it is.
module github.com/podjoule/podjoule/deploy/licenses

go 1.26.0
