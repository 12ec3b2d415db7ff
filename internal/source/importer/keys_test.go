package importer_test

import (
	"bufio"
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/pidwire/pidwire/internal/decode"
	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/source/importer"
	"github.com/pidwire/pidwire/internal/wire"
)

// TestKeys checks that a key which another tool has printed is in no record, and that
// everything else is.
func TestKeys(t *testing.T) {
	const hidden = `... /* key not shown */`
	for _, c := range []struct {
		line, want string
		hid        bool
	}{
		{`setsockopt(3, SOL_TLS, TLS_TX, "\3\3\063\0SECRET", 40) = 0`, `setsockopt(3, SOL_TLS, TLS_TX, ` + hidden + `, 40)`, true},
		{`setsockopt(3, SOL_TLS, TLS_RX, {info={version=TLS_1_3_VERSION}, key="SECRET"}, 40) = 0`, `TLS_RX, ` + hidden + `, 40)`, true},
		{`setsockopt(3, SOL_TCP, TCP_MD5SIG, "SECRET"..., 216) = 0`, `TCP_MD5SIG, ` + hidden + `, 216)`, true},
		{`setsockopt(3, IPPROTO_TCP, 38, "SECRET", 216) = 0`, `38, ` + hidden + `, 216)`, true},
		{`setsockopt(3, 0x6 /* SOL_TCP */, 0xe /* TCP_MD5SIG */, "SECRET", 216) = 0`, hidden, true},
		{`setsockopt(4, 279, 1, "SECRET", 16) = 0`, hidden, true},
		{`setsockopt(4, SOL_ALG, ALG_SET_KEY, "SECRET, \"S) = 0", 16) = -1 EINVAL (Invalid argument)`, hidden, true},
		{`setsockopt(4, SOL_ALG, ALG_SET_KEY, "SECRET", 16 <unfinished ...>`, hidden, true},
		{`setsockopt(4, SOL_ALG, ALG_SET_KEY, "SECRET" <unfinished ...>`, hidden, true},
		{`setsockopt(4<UNIX-STREAM:[7,"@a, b"]>, SOL_ALG, ALG_SET_KEY, "SECRET", 16) = 0`, hidden, true},
		{`getsockopt(4, SOL_TCP, TCP_FASTOPEN_KEY, "SECRET", [16]) = 0`, hidden + `, [16])`, true},
		{"7 getsockopt(4, SOL_TCP, TCP_FASTOPEN_KEY,  <unfinished ...>\n8 close(3) = 0\n7 <... getsockopt resumed>\"SECRET\", [16]) = 0", hidden + `, [16])`, true},
		{`sendto(3, [{nlmsg_len=64, nlmsg_type=XFRM_MSG_NEWSA, nlmsg_flags=NLM_F_REQUEST}, "\x01SECRET"...], 64, 0, NULL, 0) = 64`, `NLM_F_REQUEST}, ` + hidden + `], 64`, true},
		{`sendto(3<NETLINK:[XFRM:77]>, "SECRET", 64, 0, NULL, 0) = 64`, `]>, ` + hidden + `, 64`, true},
		{`sendto(3<NETLINK:[GENERIC:77]>, [{nlmsg_len=64, nlmsg_type=0x1d, nlmsg_flags=0}, "SECRET"], 64, 0, NULL, 0) = 64`, `nlmsg_flags=0}, ` + hidden + `], 64`, true},
		{`sendto(3, [{nlmsg_len=64, nlmsg_type=wireguard, nlmsg_flags=0}, "SECRET"], 64, 0, NULL, 0) = 64`, `nlmsg_flags=0}, ` + hidden + `], 64`, true},
		{`write(3, [{nlmsg_len=1380140883, nlmsg_type=0x5445 /* NLMSG_??? */, nlmsg_flags=0}, "SECRET"], 64) = 64`, `write(3, [` + hidden + `, ` + hidden + `], 64)`, true},
		{`write(3, [{nlmsg_len=20, nlmsg_type=0x5445 /* XFRM_MSG_??? */, nlmsg_flags=0}, "SECRET"], 64) = 64`, `nlmsg_flags=0}, ` + hidden + `], 64)`, true},
		{`sendto(3<KEY:[77]>, "SECRET", 64, 0, NULL, 0) = 64`, `]>, ` + hidden + `, 64`, true},
		{`sendto(3<NETLINK:[ISCSI:77]>, "SECRET", 64, 0, NULL, 0) = 64`, `]>, ` + hidden + `, 64`, true},
		{`recvfrom(3, [{nlmsg_len=9}, [{tcpm_addr=inet_addr("10.0.0.1"), tcpm_key="SECRET"...}]], 64, 0, NULL, NULL) = 64`, `inet_addr("10.0.0.1"), tcpm_key=` + hidden + `}]]`, true},
		{`99: setsockopt(3,SOL_TCP,TCP_MD5SIG,"SECRET",4) = 0 (0x0)`, `TCP_MD5SIG,` + hidden + `,4)`, true},

		{`99: setsockopt(3,SOL_TCP,TCP_MD5SIG,0x7fff,4) = 0 (0x0)`, `TCP_MD5SIG,0x7fff,4)`, false},
		{`setsockopt(3, SOL_TLS, TLS_TX, 0x7ffd1230, 40) = -1 EFAULT (Bad address)`, `TLS_TX, 0x7ffd1230, 40)`, false},
		{`setsockopt(3, SOL_TCP, TCP_ULP, "tls", 4) = 0`, `TCP_ULP, "tls", 4)`, false},
		{`setsockopt(3, SOL_SOCKET, 1, "x", 4) = 0`, `"x"`, false},
		{`sendto(3, [{nlmsg_len=64, nlmsg_type=RTM_NEWLINK}, "abc"], 64, 0, NULL, 0) = 64`, `"abc"`, false},
		{`write(3, "XFRM_MSG_ nlmsg_ setsockopt(", 7) = 7`, `"XFRM_MSG_ nlmsg_ setsockopt("`, false},
	} {
		kind := importer.Strace
		if strings.HasPrefix(c.line, "99: ") {
			kind = importer.Truss
		}
		s, err := importer.New(bufio.NewReader(strings.NewReader(c.line+"\n")), "x", kind)
		if err != nil {
			t.Fatal(err)
		}
		dec := decode.New(s.Header())
		found := false
		err = s.Run(context.Background(), func(r wire.Record) error {
			if bytes.Contains(r, []byte("SECRET")) {
				t.Errorf("%s\nhas its key in a record", c.line)
			}
			var e event.Event
			if r != nil && r.Kind() == wire.KindText && bytes.Contains(r, []byte(c.want)) {
				found = true
				dec.Record(r, &e)
				if call := e.Body.(*event.Call); call.Redacted != c.hid {
					t.Errorf("%s\nredacted %v", c.line, call.Redacted)
				}
			}
			return nil
		})
		if err != nil || !found {
			t.Errorf("%s\nis not shown with %s (%v)", c.line, c.want, err)
		}
	}
}
