// Command backend is the service this lab promotes. It tells which build it is and whether it is well.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	address = ":8080"
	// Below the 30 s that Kubernetes waits between SIGTERM and SIGKILL.
	shutdownTimeout = 20 * time.Second
)

// Build names what is running. Both values are part of the image, so they change with its digest and never without it.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
}

func main() {
	build := Build{Version: os.Getenv("APP_VERSION"), Commit: os.Getenv("APP_COMMIT")}
	if err := run(build); err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}

// run serves until SIGINT or SIGTERM, then lets open requests finish.
func run(build Build) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	var draining atomic.Bool
	server := &http.Server{
		Addr:              address,
		Handler:           newHandler(build, &draining),
		ReadHeaderTimeout: 5 * time.Second,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	slog.Info("serving", "address", address, "version", build.Version, "commit", build.Commit)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	draining.Store(true)
	deadline, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// newHandler answers the probes and, on /, which build this is. While draining it is alive but not ready.
func newHandler(build Build, draining *atomic.Bool) http.Handler {
	alive := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	}
	ready := func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		alive(w, r)
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", alive)
	mux.HandleFunc("GET /readyz", ready)
	mux.HandleFunc("GET /healthz", ready)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(build)
	})
	return mux
}
