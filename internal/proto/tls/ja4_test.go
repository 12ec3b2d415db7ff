package tls

import (
	"encoding/hex"
	"testing"
)

// TestJA4 checks the fingerprint that the specification has as its example, from a ClientHello with reserved numbers.
func TestJA4(t *testing.T) {
	ext := func(kind uint16, b ...byte) []byte {
		return append([]byte{byte(kind >> 8), byte(kind), byte(len(b) >> 8), byte(len(b))}, b...)
	}
	var exts []byte
	for _, e := range [][]byte{
		ext(0x0a0a), ext(0x001b), ext(0x0000, 0, 4, 0, 0, 1, 'a'), ext(0x0033), ext(0x0010, 0, 12, 2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'),
		ext(0x4469), ext(0x0017), ext(0x002d), ext(0x000d, 0, 16, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1), ext(0x0005), ext(0x0023), ext(0x0012),
		ext(0x002b, 6, 0x1a, 0x1a, 3, 4, 3, 3), ext(0xff01), ext(0x000b), ext(0x000a), ext(0x0015), ext(0xdada),
	} {
		exts = append(exts, e...)
	}
	ciphers, err := hex.DecodeString("5a5a130113021303c02bc02fc02cc030cca9cca8c013c014009c009d002f0035")
	if err != nil {
		t.Fatal(err)
	}
	b := append([]byte{3, 3}, make([]byte, 33)...)
	b = append(append(b, 0, byte(len(ciphers))), ciphers...)
	b = append(append(b, 1, 0, byte(len(exts)>>8), byte(len(exts))), exts...)
	h, ok := ReadClientHello(b)
	if !ok {
		t.Fatal("not read")
	}
	if got, want := h.JA4('t'), "t13d1516h2_8daaf6152771_e5627efa2ab1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for name, want := range map[string]string{"": "00", "h": "hh", "\xab": "ab", "\xab\xcd": "ad", "\x30\xab": "3b", "\x30\x31\xab\xcd": "3d", "\x30\xab\xcd\x31": "01"} {
		if got := ja4Protocol([]byte(name)); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}
