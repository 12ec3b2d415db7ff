package http2_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/list"
	"github.com/pidwire/pidwire/internal/proto/prototest"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestBound opens many streams, with headers of several sizes, whose bodies do not end, and header blocks that do not end.
func TestBound(t *testing.T) {
	for _, size := range []int{10, 200, 3000, 7000} {
		var out, in bytes.Buffer
		out.WriteString(http2.ClientPreface)
		fo, fi := http2.NewFramer(&out, nil), http2.NewFramer(&in, nil)
		var block bytes.Buffer
		enc := [2]*hpack.Encoder{hpack.NewEncoder(&block), hpack.NewEncoder(&block)}
		write := func(f *http2.Framer, e *hpack.Encoder, id uint32, end bool, headers ...string) {
			block.Reset()
			for i := 0; i < len(headers); i += 2 {
				if err := e.WriteField(hpack.HeaderField{Name: headers[i], Value: headers[i+1]}); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: end}); err != nil {
				t.Fatal(err)
			}
		}
		talk := &prototest.Talk{Local: 40000, Peer: 80}
		step := func() {
			talk.Steps = append(talk.Steps, prototest.Step{Dir: proto.Out, Data: bytes.Clone(out.Bytes())}, prototest.Step{Dir: proto.In, Data: bytes.Clone(in.Bytes())})
			out.Reset()
			in.Reset()
		}
		if err := fo.WriteSettings(); err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			long := strings.Repeat("ab/", size/3)
			write(fo, enc[0], uint32(2*i+1), true, ":method", "POST", ":path", fmt.Sprintf("/%d/%s", i, long), ":scheme", "http", fmt.Sprintf("x-%d", i), "v")
			write(fi, enc[1], uint32(2*i+1), true, ":status", "200", "location", long, fmt.Sprintf("x-%d", i), "v")
			step()
		}
		write(fo, enc[0], 1001, false, "x-long", strings.Repeat("ab/", 2600))
		write(fi, enc[1], 1, false, "x-long", strings.Repeat("ab/", 2600))
		step()
		if most := prototest.Most(list.All, talk); most > 64<<10 {
			t.Errorf("headers of %d bytes: %d bytes", size, most)
		} else {
			t.Logf("headers of %d bytes: %d bytes", size, most)
		}
	}
}
