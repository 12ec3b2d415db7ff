package tls

import (
	"crypto/x509"

	"github.com/pidwire/pidwire/internal/event"
)

// maxNames bounds the names of a certificate that are shown.
const maxNames = 16

// certificate returns the first certificate of a Certificate message of TLS 1.2 (RFC 5246, 7.4.2), which may be cut after
// it; nil if there is none or it cannot be read.
func certificate(b []byte) *x509.Certificate {
	r := reader{b: b}
	r.number(3) // length of the list
	first := r.vector(3)
	if len(first.b) == 0 {
		return nil
	}
	cert, err := x509.ParseCertificate(first.b)
	if err != nil {
		return nil
	}
	return cert
}

// serverFields adds what the certificate of a server says.
func serverFields(list []event.Field, cert *x509.Certificate) []event.Field {
	const layout = "2006-01-02T15:04:05Z"
	list = append(list,
		event.Field{Key: keySubject, Text: cert.Subject.String()},
		event.Field{Key: keyIssuer, Text: cert.Issuer.String()},
		event.Field{Key: keyNotBefore, Text: cert.NotBefore.UTC().Format(layout)},
		event.Field{Key: keyNotAfter, Text: cert.NotAfter.UTC().Format(layout)})
	n := 0
	name := func(s string) {
		if n++; n <= maxNames {
			list = append(list, event.Field{Key: keyNames, Text: s})
		}
	}
	for _, s := range cert.DNSNames {
		name(s)
	}
	for _, ip := range cert.IPAddresses {
		name(ip.String())
	}
	return list
}
