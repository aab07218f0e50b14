// Command rows reads the output of `go test -json` on its standard input.
//
//	go test -json ./... | rows watch                  what go test prints by itself, and a last line that names what was not run
//	go test -json -run '^TestRow_' ./... | rows table docs/rows.txt
//	                                                  a table of the rows of the plan that have landed: row, test, result
//
// It ends with 1 when a test failed, when a listed row has no test or one that did not pass, and when the input is not whole; `go test`
// itself has to be seen by the shell (pipefail).
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, in io.Reader, out, complaints io.Writer) int {
	var ok bool
	var err error
	switch {
	case len(args) == 1 && args[0] == "watch":
		ok, err = watch(in, out)
	case len(args) == 2 && args[0] == "table":
		var list []row
		if list, err = readRows(args[1]); err == nil {
			ok, err = table(list, in, out)
		}
	default:
		_, _ = fmt.Fprintln(complaints, "usage: go test -json ... | rows watch, or go test -json -run ^TestRow_ ... | rows table docs/rows.txt")
		return 2
	}
	if err != nil {
		_, _ = fmt.Fprintln(complaints, "rows:", err)
		return 1
	}
	if !ok {
		return 1
	}
	return 0
}
