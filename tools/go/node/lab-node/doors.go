package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// openDoors lets through what the configuration names, and nothing else, between the host's network and the node's. It
// returns only when a door cannot be kept open.
func openDoors(network Network, namespace string) error {
	inside, err := os.Open(namespace)
	if err != nil {
		return err
	}
	if err := within(inside, func() error { return raiseLoopback(network.Address) }); err != nil {
		return fmt.Errorf("the node's address: %w", err)
	}
	failed := make(chan error)
	toHost := func(address string, port int) error {
		target := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		var listener net.Listener
		err := within(inside, func() (err error) {
			listener, err = net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
			return err
		})
		if err != nil {
			return err
		}
		go func() { failed <- serve(listener, func(client net.Conn) { pass(client, target, net.Dial) }) }()
		return nil
	}
	for _, port := range network.HostPorts {
		if err := toHost("127.0.0.1", port); err != nil {
			return err
		}
	}
	for _, port := range network.PodPorts {
		if err := toHost(network.Address, port); err != nil {
			return err
		}
	}

	if err := os.RemoveAll(network.Socket); err != nil {
		return err
	}
	socket, err := net.Listen("unix", network.Socket)
	if err != nil {
		return err
	}
	dialInside := func(kind, address string) (connection net.Conn, err error) {
		err = within(inside, func() (err error) {
			connection, err = net.Dial(kind, address)
			return err
		})
		return connection, err
	}
	go func() { failed <- serve(socket, func(client net.Conn) { answerConnect(client, dialInside) }) }()
	return <-failed
}

func raiseLoopback(address string) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	parsed, err := netlink.ParseAddr(address + "/32")
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(loopback, parsed); err != nil {
		return err
	}
	return netlink.LinkSetUp(loopback)
}

// within does something in another network namespace. A socket stays in the namespace in which it was made.
func within(namespace *os.File, do func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked: the thread is of no use to anybody else and ends with the goroutine.
		runtime.LockOSThread()
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	return <-done
}

func serve(listener net.Listener, handle func(net.Conn)) error {
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go handle(client)
	}
}

type dialer func(network, address string) (net.Conn, error)

// pass connects a client to an address and passes on what either says until both are done.
func pass(client net.Conn, address string, dial dialer) {
	defer client.Close()
	server, err := dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	join(client, client, server)
}

// answerConnect serves one request of HTTP's method CONNECT, as an API server's egress selector makes it.
func answerConnect(client net.Conn, dial dialer) {
	defer client.Close()
	reader := bufio.NewReader(client)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	if request.Method != http.MethodConnect {
		fmt.Fprint(client, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
		return
	}
	server, err := dial("tcp", request.Host)
	if err != nil {
		fmt.Fprint(client, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer server.Close()
	if _, err := fmt.Fprint(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	join(client, reader, server)
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
