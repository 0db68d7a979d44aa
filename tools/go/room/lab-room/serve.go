package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Who asks for programs sends one line of JSON over the room's socket and reads lines until the program has ended.
type request struct {
	Start *Program `json:"start"`
	// Watch is the name of a program that was started before, by whomever.
	Watch string `json:"watch"`
}

type response struct {
	Error string `json:"error,omitempty"`
	// Pid is the host's number of the program's process; 0 where no such program runs.
	Pid int `json:"pid"`
	// Ended is set when it has.
	Ended *ending `json:"ended,omitempty"`
}

type ending struct {
	Code   int `json:"code"`
	Signal int `json:"signal,omitempty"`
}

// run makes a room, keeps its doors open and starts what is asked for, until the room ends or this process is told to.
func run(room Room) error {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	side, err := makeRoom(room)
	if err != nil {
		return err
	}
	defer side.end()
	if err := side.openDoors(); err != nil {
		return err
	}
	refused := make(chan error, 1)
	if room.Socket != "" {
		socket, err := listenUnix(room.Socket)
		if err != nil {
			return err
		}
		if err := os.Chmod(room.Socket, 0o600); err != nil {
			return err
		}
		wanted := &programs{room: side, byName: map[string]*running{}}
		go func() { refused <- serve(socket, wanted.answer) }()
	}
	select {
	case <-side.ended:
		return fmt.Errorf("the room ended: %v", side.first.ProcessState)
	case err := <-side.failed:
		return err
	case err := <-refused:
		return err
	case <-told:
		return nil
	}
}

// programs are those that were asked for.
type programs struct {
	room   *outside
	mutex  sync.Mutex
	byName map[string]*running
}

// The longest request: a program's files are in it.
const longestRequest = 1 << 20

func (p *programs) answer(client net.Conn) {
	defer client.Close()
	out := json.NewEncoder(client)
	line, err := bufio.NewReader(io.LimitReader(client, longestRequest)).ReadBytes('\n')
	if err != nil {
		return
	}
	var what request
	if err := json.Unmarshal(line, &what); err != nil {
		_ = out.Encode(response{Error: err.Error()})
		return
	}
	program, err := p.find(what)
	if err != nil {
		_ = out.Encode(response{Error: err.Error()})
		return
	}
	if program == nil {
		_ = out.Encode(response{})
		return
	}
	if out.Encode(response{Pid: program.pid}) != nil {
		return
	}
	<-program.ended
	end := ending{Code: program.status.ExitStatus()}
	if program.status.Signaled() {
		end = ending{Signal: int(program.status.Signal())}
	}
	_ = out.Encode(response{Pid: program.pid, Ended: &end})
}

// find returns the program that is meant, and starts it where that is asked for.
func (p *programs) find(what request) (*running, error) {
	// One after another: two that ask for one program get one.
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if what.Start == nil {
		return p.living(what.Watch), nil
	}
	if present := p.living(what.Start.Name); present != nil {
		return nil, fmt.Errorf("%s runs already", what.Start.Name)
	}
	for _, door := range what.Start.Doors {
		if err := p.room.openWay(door); err != nil {
			return nil, err
		}
	}
	log, err := openLog(what.Start.Log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	nothing, err := os.Open("/dev/null")
	if err != nil {
		return nil, err
	}
	defer nothing.Close()
	program, err := p.room.start(*what.Start, [3]int{int(nothing.Fd()), int(log.Fd()), int(log.Fd())})
	if err != nil {
		return nil, err
	}
	p.byName[what.Start.Name] = program
	return program, nil
}

func (p *programs) living(name string) *running {
	program, ok := p.byName[name]
	if !ok {
		return nil
	}
	select {
	case <-program.ended:
		delete(p.byName, name)
		return nil
	default:
		return program
	}
}
