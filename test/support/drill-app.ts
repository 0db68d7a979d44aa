import type { FileTree } from "../../lab-templates/types.ts";

/**
 * A program that fails the way its variable DRILL says, or that tries to reach the addresses of DIAL and tells which it
 * reached, one JSON object a line.
 */
export const drillApp: FileTree = {
  "go.mod": "module drill\n\ngo 1.24\n",
  "main.go": `package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	for _, address := range strings.Fields(os.Getenv("DIAL")) {
		connection, err := net.DialTimeout("tcp", address, 2*time.Second)
		if err == nil {
			connection.Close()
		}
		line, _ := json.Marshal(map[string]any{"address": address, "open": err == nil})
		fmt.Println(string(line))
	}
	switch os.Getenv("DRILL") {
	case "crash":
		fmt.Println("cannot read the settings")
		os.Exit(3)
	case "oom":
		var kept [][]byte
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			kept = append(kept, block)
		}
	case "unready":
		http.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no database", http.StatusServiceUnavailable) })
		http.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
		_ = http.ListenAndServe(":8080", nil)
	}
}
`,
};
