package intime

import (
	"errors"
	"testing"
	"time"
)

func TestDo(t *testing.T) {
	if v, err := Do(time.Second, func() (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	own := errors.New("its own")
	if _, err := Do(time.Second, func() (int, error) { return 0, own }); err != own {
		t.Error(err)
	}
	// As many as may hang are waited for, each as long as it may take; then nothing is tried any more.
	stop := make(chan bool)
	began := time.Now()
	for range maxHung {
		if _, err := Do(time.Millisecond, func() (int, error) { <-stop; return 0, nil }); !errors.Is(err, ErrLate) {
			t.Fatal(err)
		}
	}
	tried := false
	if _, err := Do(time.Hour, func() (int, error) { tried = true; return 0, nil }); !errors.Is(err, ErrLate) || tried {
		t.Errorf("%v, tried %v", err, tried)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	// Those that come back make room.
	close(stop)
	for i := 0; ; i++ {
		if _, err := Do(time.Second, func() (int, error) { return 0, nil }); err == nil {
			return
		} else if i == 1000 {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

func BenchmarkDo(b *testing.B) {
	for b.Loop() {
		_, _ = Do(time.Second, func() (int, error) { return 0, nil })
	}
}
