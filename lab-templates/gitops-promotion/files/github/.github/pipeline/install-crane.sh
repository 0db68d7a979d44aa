#!/usr/bin/env bash
# Puts crane on the PATH of the job's next steps. The digests are those of the release's checksums.txt.
set -euo pipefail

version=0.22.1
case $(uname -m) in
  x86_64) machine=x86_64 sha256=0ab7a1d6932a213aed964ce97666c3077fe691c8606413674a8b3e0b9ec4cda0 ;;
  aarch64) machine=arm64 sha256=898c0cff975f898a33e8c4580bdafb0e7c02c7faa33374e946762f97c4ab7110 ;;
  *) echo "::error::crane $version is not pinned for $(uname -m)."; exit 1 ;;
esac
folder=$RUNNER_TEMP/crane
mkdir -p "$folder"
curl --fail --silent --show-error --location --proto '=https' --retry 3 --output "$folder/crane.tar.gz" \
  "https://github.com/google/go-containerregistry/releases/download/v$version/go-containerregistry_Linux_$machine.tar.gz"
echo "$sha256  $folder/crane.tar.gz" | sha256sum --check --quiet
tar -xzf "$folder/crane.tar.gz" -C "$folder" crane
echo "$folder" >>"$GITHUB_PATH"
