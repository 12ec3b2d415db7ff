package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/pidwire/pidwire/internal/sink/summary"
)

const (
	barAfter = time.Second // no bar is shown before
	barEvery = 200 * time.Millisecond
	barWidth = 30
)

// progress counts how many bytes of the files have been read. A nil *progress counts nothing.
type progress struct {
	done  atomic.Int64
	total int64
	stop  chan struct{}
	ended chan struct{}
}

// newProgress starts to show a progress bar on w for files of total bytes. The bar appears after
// barAfter, and is shown until end is called.
func newProgress(w io.Writer, total int64, ascii bool) *progress {
	p := &progress{total: total, stop: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		began := time.Now()
		tick := time.NewTimer(barAfter)
		defer tick.Stop()
		shown := false
		for {
			select {
			case <-p.stop:
				if shown {
					fmt.Fprint(w, "\r\x1b[K")
				}
				return
			case <-tick.C:
				fmt.Fprint(w, "\r"+bar(p.done.Load(), p.total, time.Since(began), ascii)+"\x1b[K")
				shown = true
				tick.Reset(barEvery)
			}
		}
	}()
	return p
}

// end removes the bar.
func (p *progress) end() {
	if p != nil {
		close(p.stop)
		<-p.ended
	}
}

// reader returns a reader of r that counts the bytes.
func (p *progress) reader(r io.Reader) io.Reader {
	if p == nil {
		return r
	}
	return &counted{r, p}
}

type counted struct {
	r io.Reader
	p *progress
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.done.Add(int64(n))
	return n, err
}

// bar returns the line of the bar: percentage, bytes and estimated time left.
func bar(done, total int64, took time.Duration, ascii bool) string {
	full, empty := "█", "░"
	if ascii {
		full, empty = "#", "."
	}
	done = min(max(done, 0), total)
	share := float64(done) / float64(max(total, 1))
	n := int(share * barWidth)
	left := ""
	if share > 0.01 {
		left = fmt.Sprintf(", %s left", (time.Duration(float64(took) / share * (1 - share))).Round(time.Second))
	}
	return fmt.Sprintf("%3.0f%% %s%s %s of %s%s", share*100, strings.Repeat(full, n), strings.Repeat(empty, barWidth-n),
		summary.Bytes(uint64(done)), summary.Bytes(uint64(total)), left)
}

// watched returns the progress bar for reading files, or nil if none is to be shown:
// standard error is no terminal, lines are printed to a terminal, or a size is not known.
func (a *app) watched(in *filesFlags, names []string) *progress {
	f, isFile := a.stderr.(*os.File)
	if !isFile || in.quiet || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	if out, isFile := a.stdout.(*os.File); in.lines && isFile && term.IsTerminal(int(out.Fd())) {
		return nil
	}
	var total int64
	for _, name := range names {
		size, ok := a.sizeOf(name)
		if !ok {
			return nil // unknown size
		}
		total += size
		if len(names) > 1 || in.given() {
			total += min(size, surveyed) // read twice
		}
	}
	return newProgress(f, total, !unicodeLocale())
}

// surveyed is the approximate number of bytes of a file that are read in advance, to set its clock.
const surveyed = 256 << 20
