package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// dialPatience is how long a door waits for whoever is to answer it.
const dialPatience = 10 * time.Second

// mostConnections that one door has open at once: what a room holds open outside is bounded, too.
const mostConnections = 512

// openDoors lets through what the room's network names, and nothing else, between it and the host's. That a door could not
// be kept open comes by `failed`.
func (o *outside) openDoors() error {
	network := o.room.Network
	for _, door := range network.Out {
		if err := o.openWay(door); err != nil {
			return err
		}
	}
	for _, door := range network.In {
		listener, err := net.Listen("tcp", door.From)
		if err != nil {
			return fmt.Errorf("door %s: %w", door.From, err)
		}
		o.keepOpen(listener, func(client net.Conn) { pass(client, "tcp", door.To, o.dialInside) })
	}
	if network.Connect != "" {
		socket, err := listenUnix(network.Connect)
		if err != nil {
			return err
		}
		// The API server that comes by it is another room's: whoever can reach the socket may use it, and it is shown to that one only.
		if err := os.Chmod(network.Connect, 0o666); err != nil {
			return err
		}
		o.keepOpen(socket, func(client net.Conn) { answerConnect(client, o.dialInside) })
	}
	return nil
}

// openWay opens a door out of the room, once.
func (o *outside) openWay(door Door) error {
	if o.ways[door.From] {
		return nil
	}
	listener, err := o.listenInside(door.From)
	if err != nil {
		return fmt.Errorf("door %s in the room: %w", door.From, err)
	}
	kind := "tcp"
	if strings.HasPrefix(door.To, "/") {
		kind = "unix"
	}
	o.ways[door.From] = true
	o.keepOpen(listener, func(client net.Conn) { pass(client, kind, door.To, dialOutside) })
	return nil
}

func (o *outside) keepOpen(listener net.Listener, handle func(net.Conn)) {
	go func() {
		err := serve(listener, handle)
		select {
		case o.failed <- err:
		default:
		}
	}()
}

func listenUnix(path string) (net.Listener, error) {
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	return net.Listen("unix", path)
}

func dialOutside(kind, address string) (net.Conn, error) {
	return net.DialTimeout(kind, address, dialPatience)
}

func serve(listener net.Listener, handle func(net.Conn)) error {
	free := make(chan struct{}, mostConnections)
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			// Too many open files, say: of this process or of the machine. It passes.
			time.Sleep(acceptPause)
			continue
		}
		free <- struct{}{}
		go func() {
			defer func() { <-free }()
			handle(client)
		}()
	}
}

const acceptPause = 50 * time.Millisecond

type dialer func(kind, address string) (net.Conn, error)

// pass connects a client to an address and passes on what either says until both are done.
func pass(client net.Conn, kind, address string, dial dialer) {
	defer client.Close()
	server, err := dial(kind, address)
	if err != nil {
		return
	}
	defer server.Close()
	join(client, client, server)
}

// answerConnect serves one request of HTTP's method CONNECT, as an API server's egress selector makes it.
func answerConnect(client net.Conn, dial dialer) {
	defer client.Close()
	_ = client.SetReadDeadline(time.Now().Add(dialPatience))
	reader := bufio.NewReader(io.LimitReader(client, 64<<10))
	method, target, err := requestHead(reader)
	if err != nil {
		return
	}
	_ = client.SetReadDeadline(time.Time{})
	if method != "CONNECT" {
		fmt.Fprint(client, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
		return
	}
	server, err := dial("tcp", target)
	if err != nil {
		fmt.Fprint(client, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer server.Close()
	if _, err := fmt.Fprint(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	// What came along with the request, then what follows.
	early, _ := reader.Peek(reader.Buffered())
	if _, err := server.Write(early); err != nil {
		return
	}
	join(client, client, server)
}

// requestHead reads a request of HTTP/1 up to its empty line. By hand: Go's package for it brings TLS, and would be half of
// this program, which every learner has twice in memory.
func requestHead(reader *bufio.Reader) (method, target string, err error) {
	first, err := reader.ReadString('\n')
	if err != nil {
		return "", "", err
	}
	words := strings.Fields(first)
	if len(words) != 3 || !strings.HasPrefix(words[2], "HTTP/1.") {
		return "", "", errors.New("not a request of HTTP/1")
	}
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		if strings.TrimRight(line, "\r\n") == "" {
			return words[0], words[1], nil
		}
	}
}

// join passes on both ways; each way ends on its own, as HTTP's and SSH's half-closed connections need.
func join(client net.Conn, fromClient io.Reader, server net.Conn) {
	done := make(chan struct{}, 2)
	one := func(to net.Conn, from io.Reader) {
		_, _ = io.Copy(to, from)
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		done <- struct{}{}
	}
	go one(server, fromClient)
	go one(client, server)
	<-done
	<-done
}
