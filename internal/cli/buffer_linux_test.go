package cli

import (
	"errors"
	"strings"
	"testing"
)

func TestRingSize(t *testing.T) {
	for _, test := range []struct {
		flag string
		want uint32 // 0: refused
	}{
		{"64", 64 << 10}, {"65", 128 << 10}, {"4096", 4 << 20}, {"64MiB", 64 << 20}, {"64M", 64 << 20}, {"100mb", 128 << 20}, {"1GiB", 1 << 30},
		{"63", 0}, {"2GiB", 0}, {"-1", 0}, {"0", 0}, {"much", 0}, {"1.5M", 0}, {"18446744073709551615G", 0}, {"MiB", 0},
	} {
		got, err := ringSize(test.flag, false)
		if (err != nil) != (test.want == 0) || got != test.want {
			t.Errorf("--buffer %s: %d, %v; want %d", test.flag, got, err, test.want)
		}
	}
	for _, test := range []struct {
		memory uint64
		want   uint32
	}{{0, 8 << 20}, {512 << 20, 8 << 20}, {1 << 30, 16 << 20}, {2 << 30, 32 << 20}, {3 << 30, 32 << 20}, {4 << 30, 64 << 20}, {24 << 30, 256 << 20}, {1 << 62, 256 << 20}} {
		if got := ringOf(test.memory); got != test.want {
			t.Errorf("%d bytes of memory: a ring of %d, want %d", test.memory, got, test.want)
		}
	}
	if got, err := ringSize("", true); err != nil || got < minRing || got > maxRing {
		t.Errorf("by itself: %d, %v", got, err)
	}
}

// TestRingWithin checks that a run fits into the memory that a container's limit leaves, or that there is an error.
func TestRingWithin(t *testing.T) {
	for _, test := range []struct {
		left, ring, want uint64 // MiB; want 0: refused
	}{{1000, 256, 256}, {400, 256, 128}, {200, 256, 32}, {170, 256, 16}, {150, 256, 8}, {144, 256, 8}, {144, 8, 8}, {143, 256, 0}, {0, 8, 0}} {
		got, err := ringWithin(uint32(test.ring<<20), ownMemory, func() (uint64, string, bool) { return test.left << 20, "/limit", true })
		if (err != nil) != (test.want == 0) || uint64(got) != test.want<<20 {
			t.Errorf("%d MiB left: a ring of %d MiB, %v; want %d", test.left, got>>20, err, test.want)
		}
	}
	// Messages need more: without them it fits.
	_, err := ringWithin(8<<20, ownMemoryWith(true), func() (uint64, string, bool) { return 150 << 20, "/limit", true })
	var ee *exitError
	if !errors.As(err, &ee) || !strings.Contains(strings.Join(ee.hint, "\n"), "-l sys,pkt") {
		t.Errorf("150 MiB with messages: %v", err)
	}
	if got, err := ringWithin(64<<20, ownMemory, func() (uint64, string, bool) { return 0, "", false }); err != nil || got != 64<<20 {
		t.Errorf("without a limit: %d, %v", got, err)
	}
}
