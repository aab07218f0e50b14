package correct

import _ "embed"

// commonWords are words of everyday talk, which nobody mistook for a term.
//
//go:embed common.txt
var commonWords string
