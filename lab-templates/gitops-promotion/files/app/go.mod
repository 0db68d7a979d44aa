module gitops-lab.dev/backend

go 1.24
