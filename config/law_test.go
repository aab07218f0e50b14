package config

import "testing"

func TestShippedJurisdictionsLoad(t *testing.T) {
	s, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(s.Names(), s.Version())
}
