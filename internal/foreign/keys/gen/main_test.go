package main

import (
	"bytes"
	"os"
	"testing"
)

// TestHeader checks that the kernel side has the tables as they are.
func TestHeader(t *testing.T) {
	b, err := os.ReadFile("../../../../bpf/keys.h")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, header()) {
		t.Error("bpf/keys.h is not what the tables say: run go generate ./internal/foreign/keys ./internal/source/bpf/object")
	}
}
