package config

import _ "embed"

//go:embed example.yaml
var example string

// Example is a file with every key explained.
func Example() string { return example }
