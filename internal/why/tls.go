package why

import (
	"fmt"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// handshakes judges what went wrong before the first request: TLS, and protocols that do not belong together.
func (j *judgement) handshakes() {
	for _, c := range j.list {
		if c.up == 0 && c.received == 0 || !c.tcp() {
			continue
		}
		f := j.secured(c)
		if f == nil {
			f = j.mismatched(c)
		}
		if f == nil {
			continue
		}
		f.task, f.conn, f.fails, f.object, f.exact, f.about = c.task, c, true, c, 8, c.peer()
		if f.at == 0 && len(f.Evidence) > 0 {
			f.at = f.Evidence[0].Time
		}
		f.until = max(f.until, c.closedAt, f.at)
		j.add(f)
	}
}

// secured judges a handshake of TLS of a client.
func (j *judgement) secured(c *conn) *finding {
	h := &c.hello
	if h.hello.Seq == 0 || c.server {
		return nil
	}
	v := event.Verdict{Evidence: evidences(h.hello, h.answer, h.alertIn, h.alertOut)}
	who := h.name
	if who == "" {
		who = c.peer()
	}
	switch {
	case h.descIn == "unrecognized_name":
		v.Cause, v.Text = "tls-sni-unknown", fmt.Sprintf("%s does not serve the name %s", c.peer(), h.name)
		v.Try = []string{"the name; the virtual hosts of the server"}
	case h.alertIn.Seq != 0 && h.answer.Seq == 0 && (h.descIn == "protocol_version" || h.descIn == "insufficient_security" || h.descIn == "handshake_failure"):
		v.Cause, v.Text = "tls-version-mismatch", fmt.Sprintf("%s takes none of the versions and ciphers offered: alert %s", c.peer(), h.descIn)
		v.Try = []string{"openssl s_client -connect HOST:PORT -tls1_2"}
	case h.descIn == "certificate_required" || h.answer.Seq != 0 && (h.descIn == "handshake_failure" || h.descIn == "bad_certificate"):
		v.Cause, v.Text = "tls-client-cert-required", fmt.Sprintf("%s wants a certificate of the client: alert %s", c.peer(), h.descIn)
		v.Try = []string{"the client's certificate"}
	case h.bare && h.descIn == "" && c.endedFirst() && h.received <= alertSize:
		// With TLS 1.3 the alert is encrypted, but its size and that of the client's empty Certificate are not.
		v.Cause, v.Text = "tls-client-cert-required", c.peer()+" wants a certificate of the client, which has none: it ended the connection"
		v.Evidence = evidences(h.hello, h.answer, c.finIn.first, c.rstIn.first)
		v.Try = []string{"the client's certificate"}
	case h.descOut == "certificate_expired" || h.descOut == "bad_certificate" && (j.expired(h) || early(h, j.begin)):
		v.Cause, v.Text = "tls-cert-expired", "the certificate of "+who+" has expired"+ended(h)
		if early(h, j.begin) {
			v.Cause, v.Text = "tls-cert-not-yet-valid", "the certificate of "+who+" is not valid yet, from "+h.notBefore
		}
		v.Try = []string{"renew the certificate; is the clock of this host right?"}
	case h.descOut == "unknown_ca" || h.descOut == "unknown ca":
		v.Cause, v.Text = "tls-cert-untrusted", "the client does not know the authority that signed the certificate of "+who
		v.Try = []string{"ca-certificates; does the server send the intermediate certificate?"}
	case (h.descOut == "bad_certificate" || h.descOut == "certificate_unknown" || j.gaveUp(c)) && len(h.names) > 0 && h.name != "" && !named(h):
		v.Cause, v.Text = "tls-name-mismatch", fmt.Sprintf("the certificate is for %s, not for %s", strings.Join(h.names, ", "), h.name)
		v.Try = []string{"the name; the certificate"}
	case h.descOut == "bad_certificate" || h.descOut == "certificate_unknown" || j.gaveUp(c):
		v.Cause, v.Text = "tls-cert-rejected", "the client does not accept the certificate of "+who
	case h.hello.Seq != 0 && h.answer.Seq == 0 && h.alertIn.Seq == 0 && c.received == 0 && !c.endedFirst() && j.costly(j.lasted(c, h.hello.Time)):
		v.Cause, v.Text = "tls-handshake-stalled", fmt.Sprintf("%s has the ClientHello and does not answer", c.peer())
		v.Try = []string{"the server's worker; a proxy that waits for the PROXY protocol"}
		v.Cost = j.lasted(c, h.hello.Time)
	default:
		return nil
	}
	return &finding{Verdict: v, at: h.hello.Time}
}

// endedFirst reports whether the peer ended the connection, and not this end.
func (c *conn) endedFirst() bool {
	theirs := c.finIn.first.Time
	if c.rstIn.n > 0 && (theirs == 0 || c.rstIn.first.Time < theirs) {
		theirs = c.rstIn.first.Time
	}
	ours := c.finOut.first.Time
	return theirs != 0 && (ours == 0 || theirs < ours)
}

// gaveUp reports whether the command failed, and its client ended the connection after the server's certificate, without a
// request.
func (j *judgement) gaveUp(c *conn) bool {
	h := &c.hello
	return j.command() && j.status != 0 && h.answer.Seq != 0 && h.descOut == "" && h.alertIn.Seq == 0 && c.life != nil && h.sent <= alertSize && !c.endedFirst()
}

// alertSize is that of an encrypted alert of TLS 1.3: two bytes, one for its type, and 16 of the cipher.
const alertSize = 19

// lasted returns the time from then to the end of a connection.
func (j *judgement) lasted(c *conn, from int64) int64 {
	if c.closedAt != 0 {
		return c.closedAt - from
	}
	return j.end - from
}

func ended(h *handshake) string {
	if h.notAfter == "" {
		return ""
	}
	return ": it ended " + h.notAfter
}

// expired reports whether a certificate had ended when the timeline began.
func (j *judgement) expired(h *handshake) bool {
	at, ok := stamp(h.notAfter)
	return ok && at < j.begin/second
}

func early(h *handshake, now int64) bool {
	at, ok := stamp(h.notBefore)
	return ok && at > now/second
}

// stamp reads a time in the format of RFC 3339, in UTC: 2021-01-01T00:00:00Z. The result is in seconds since the Unix epoch.
func stamp(s string) (int64, bool) {
	const form = "dddd-dd-ddTdd:dd:ddZ"
	if len(s) != len(form) {
		return 0, false
	}
	var n [6]int64
	k := 0
	for i := range len(form) {
		switch {
		case form[i] != 'd' && s[i] != form[i], form[i] == 'd' && (s[i] < '0' || s[i] > '9'):
			return 0, false
		case form[i] == 'd':
			n[k] = 10*n[k] + int64(s[i]-'0')
		default:
			k++
		}
		if k == len(n) {
			break
		}
	}
	// Days since 1970 of a date of the Gregorian calendar, with years that begin in March.
	y, m, d := n[0], n[1], n[2]
	if m <= 2 {
		y, m = y-1, m+12
	}
	days := 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + d - 1 - 719468
	return days*86400 + n[3]*3600 + n[4]*60 + n[5], true
}

// named reports whether a certificate has the name that was asked for (RFC 6125).
func named(h *handshake) bool {
	_, domain, _ := strings.Cut(h.name, ".")
	for _, n := range h.names {
		if strings.EqualFold(n, h.name) || strings.HasPrefix(n, "*.") && strings.EqualFold(n[2:], domain) {
			return true
		}
	}
	return false
}

// tlsPort reports whether a port is one on which servers speak TLS from the first byte.
func tlsPort(port uint16) bool {
	switch port {
	case 443, 465, 563, 636, 853, 989, 990, 992, 993, 995, 4443, 5061, 5671, 6443, 6514, 6697, 8443, 8883, 9443, 10443:
		return true
	}
	return false
}

// mismatched judges first bytes that belong to different protocols.
func (j *judgement) mismatched(c *conn) *finding {
	ours, theirs := c.spoke[0], c.spoke[1]
	v := event.Verdict{Evidence: evidences(c.said[0], c.said[1])}
	if c.torn() {
		return nil
	}
	if !c.server && ours == "http" && c.received == 0 && tlsPort(c.Peer.Port()) && c.endedFirst() {
		v.Cause, v.Text = "plain-to-tls-port", fmt.Sprintf("%s was asked in plain text and ended the connection: on that port it probably speaks TLS", c.peer())
		v.Evidence = append(v.Evidence, evidences(c.finIn.first, c.rstIn.first)...)
		v.Match = event.MatchGuess
		v.Try = []string{"https:// in place of http://"}
		return &finding{Verdict: v, at: c.said[0].Time}
	}
	if c.server || ours == "" || theirs == "" || ours == theirs {
		return nil
	}
	switch {
	case ours == "tls":
		v.Cause, v.Text = "tls-to-plain-port", fmt.Sprintf("%s does not speak TLS", c.peer())
		v.Try = []string{"http:// in place of https://; the port"}
	case theirs == "tls":
		v.Cause, v.Text = "plain-to-tls-port", fmt.Sprintf("%s speaks TLS, and was asked in plain text", c.peer())
		v.Try = []string{"https:// in place of http://"}
	case theirs == "unknown" || ours == "unknown":
		return nil
	default:
		v.Cause, v.Text = "protocol-mismatch", fmt.Sprintf("this end speaks %s, and %s %s", ours, c.peer(), theirs)
		v.Try = []string{"the port"}
	}
	return &finding{Verdict: v, at: c.said[0].Time}
}
