package main

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestAnswerConnect(t *testing.T) {
	const established = "HTTP/1.1 200 Connection established\r\n\r\n"
	for name, one := range map[string]struct {
		request, dialled, answer string
	}{
		"leads to the address and passes on what came along": {
			"CONNECT 10.0.0.1:10250 HTTP/1.1\r\nHost: 10.0.0.1:10250\r\nUser-Agent: x\r\n\r\nearly", "10.0.0.1:10250", established + "EARLY",
		},
		"takes lines without a carriage return":    {"CONNECT a:1 HTTP/1.0\n\nearly", "a:1", established + "EARLY"},
		"refuses other methods":                    {"GET http://a:1/ HTTP/1.1\r\nHost: a:1\r\n\r\n", "", "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"},
		"says that nobody is there":                {"CONNECT nobody:1 HTTP/1.1\r\n\r\n", "nobody:1", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"},
		"hangs up on what is no request":           {"\x16\x03\x01 hello\n", "", ""},
		"hangs up on a head that never ends":       {"CONNECT a:1 HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 20_000), "", ""},
		"hangs up on a line that never ends":       {strings.Repeat("C", 100_000), "", ""},
		"hangs up on a first line of another kind": {"CONNECT a:1\r\n\r\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dialled := ""
			dial := func(_, address string) (net.Conn, error) {
				dialled = address
				if address == "nobody:1" {
					return nil, errors.New("nobody")
				}
				near, far := net.Pipe()
				// Whoever answers says what it hears in capitals.
				go func() {
					heard := make([]byte, len("early"))
					_, _ = io.ReadFull(far, heard)
					_, _ = far.Write([]byte(strings.ToUpper(string(heard))))
					_ = far.Close()
				}()
				return near, nil
			}
			client, other := net.Pipe()
			go answerConnect(other, dial)
			_ = client.SetDeadline(time.Now().Add(5 * time.Second))
			go func() { _, _ = client.Write([]byte(one.request)) }()
			answer := make([]byte, len(one.answer))
			if _, err := io.ReadFull(client, answer); err != nil {
				t.Fatal(err)
			}
			if string(answer) != one.answer || dialled != one.dialled {
				t.Fatalf("dialled %q and answered %q", dialled, answer)
			}
			if one.answer != "" && strings.HasPrefix(one.answer, established) {
				_ = client.Close()
				return
			}
			if _, err := client.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("did not hang up: %v", err)
			}
		})
	}
}
