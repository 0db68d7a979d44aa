import { addressesOf, type LearnerOutputs } from "../../shared/outputs.ts";
import { handoutFiles, shellWord } from "./document.ts";

/** The name that every embedded API server's certificate has; the opened address need not be in it. */
const apiServerName = "kubernetes.default.svc";

/**
 * A script for the handout that tells what of the lab is not reached from where it is run, and why: POSIX sh, with curl, or
 * git and kubectl where there is no curl. What Git's settings here make of it only git tells, so it is asked as well. Holds no credential: it reads the files beside it, and gives none to a command line.
 */
export function checkScript(learner: LearnerOutputs): string {
  const { apiServer, gitUrl, repository, insecure } = addressesOf(learner);
  const [imageHost, ...imagePath] = repository.split("/");
  const settings = {
    api: apiServer,
    // Without a name of its own the certificate has the address.
    api_name: learner.open === undefined ? "" : apiServerName,
    git: gitUrl,
    images: `${insecure ? "http" : "https"}://${imageHost}`,
    image: imagePath.join("/"),
    page: learner.open?.page ?? "",
    authority: learner.open === undefined ? "" : handoutFiles.authority,
    // Where the learner logs in with an account of their own, whose credential is not here.
    own_git: learner.git.password === "" ? "yes" : "",
    own_images: learner.registry.shared ? "yes" : "",
  };
  return `#!/bin/sh
# What of the lab is reached from here, one line each: sh ./${handoutFiles.check}
# Ends with 0 when everything is, 1 when something is not, 3 when something could not be looked at.
${Object.entries(settings)
  .map(([name, value]) => `${name}=${value === "" ? "" : shellWord(value)}`)
  .join("\n")}
${body}`;
}

/** For the shell's own `${...}`. */
const dollar = "$";

const body = String.raw`
# With CDPATH a folder of the same name elsewhere would do as well.
CDPATH= cd -- "$(dirname -- "$0")" || exit 2
here=$(pwd)
umask 077
scratch=$(mktemp -d 2>/dev/null || TMPDIR=/tmp mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
failed= unknown=

say() { # ok|FAIL|?|off, what, sentence
  printf '%-5s%-9s%s\n' "$1" "$2" "$3"
  case $1 in FAIL) failed=1 ;; '?') unknown=1 ;; esac
}

# Asks for a URL: url, [curl's options...]; further options (those that hold secrets) come on standard input.
# Leaves the status in $status, or in $trouble why there is none.
ask() {
  url=$1
  shift
  status=$(curl --silent --globoff --output "$scratch/body" --dump-header "$scratch/head" --write-out '%{http_code}' \
    --connect-timeout 5 --max-time 15 --config - "$@" -- "$url" 2>/dev/null)
  code=$?
  trouble=
  case $code in
    0) ;;
    6) trouble="DNS: the name leads to no address; look at your network's name service" ;;
    7) trouble="refused: nothing listens there; the lab may be stopped, or a firewall says no" ;;
    28) trouble="timeout: no answer; a firewall or a wrong network lies between" ;;
    35) trouble="TLS: no handshake; the server behind the port may be paused, or a proxy lies between" ;;
    51 | 60 | 77 | 83) trouble="TLS: the certificate is not one of this lab; the handout may be of an earlier lab, or somebody answers in its place" ;;
    58) trouble="TLS: your own certificate can't be read; ask for a new handout" ;;
    52 | 56) trouble="closed: the connection ended without an answer" ;;
    *) trouble="curl ended with $code, see the list in its manual" ;;
  esac
}

verdict() { # what, url, status that is well, sentence
  if [ -n "$trouble" ]; then say FAIL "$1" "$2: $trouble"; return; fi
  case $status in
    "$3") say ok "$1" "$2$4" ;;
    401) say FAIL "$1" "$2: 401, your credential is refused; it may have been rotated: ask for a new handout" ;;
    403) say FAIL "$1" "$2: 403, your credential is known and may not do this" ;;
    404) say FAIL "$1" "$2: 404, it is not there; the handout may be of an earlier lab" ;;
    503) say FAIL "$1" "$2: 503, out of service for now" ;;
    *) say FAIL "$1" "$2: answered $status" ;;
  esac
}

# Where the credential is the learner's own: that somebody answers is all there is to see.
reached() { # what, url
  case $status in 200 | 401) status=there ;; esac
  verdict "$1" "$2" there ', where you log in with an account of your own'
}

trusting() { if [ -n "$authority" ]; then printf 'cacert = "%s"\n' "$authority"; fi; }
from_kubeconfig() { sed -n "s/^ *$1: *//p" kubeconfig.yaml | base64 -d >"$scratch/$2"; }
basic() { sed -n 's/.*"auth": "\([^"]*\)".*/header = "Authorization: Basic \1"/p' registry/config.json; }

# As the page has git asked, with whatever the learner's own settings and this shell say besides.
ask_git() {
  env LC_ALL=C GIT_TERMINAL_PROMPT=0 git -c http.lowSpeedLimit=1 -c http.lowSpeedTime=15 \
    -c credential.helper= -c "credential.helper=store --file='$here/git-credentials'" \
    ${dollar}{authority:+-c "http.$git.sslCAInfo=$here/$authority"} ls-remote -- "$git" 2>&1 >/dev/null
}

last() { printf '%s' "$1" | tail -n 1; }

# What of this shell takes the place of the lab's authority, where git trusts another.
instead() { # what git said
  case $1 in *[Cc]ertificate* | *SSL*) ;; *) return ;; esac
  for name in GIT_SSL_CAINFO GIT_SSL_CAPATH; do
    eval 'is_set=$'"{$name+yes}"
    if [ -n "$is_set" ]; then
      printf '; %s is set here and comes before %s: unset %s in every shell in which you use git' "$name" "$authority" "$name"
    fi
  done
}

check_api() {
  from_kubeconfig certificate-authority-data ca.crt
  from_kubeconfig client-certificate-data client.crt
  from_kubeconfig client-key-data client.key
  set --
  if [ -s "$scratch/ca.crt" ]; then set -- --cacert "$scratch/ca.crt"; fi
  if [ -s "$scratch/client.crt" ]; then set -- "$@" --cert "$scratch/client.crt" --key "$scratch/client.key"; fi
  url=$api
  if [ -n "$api_name" ]; then
    there=${dollar}{api#https://}
    url=https://$api_name:${dollar}{there##*:}
    set -- "$@" --connect-to "$api_name:${dollar}{there##*:}:$there"
  fi
  sed -n 's/^ *token: *"\{0,1\}\([^" ]*\)"\{0,1\}$/header = "Authorization: Bearer \1"/p' kubeconfig.yaml >"$scratch/options"
  ask "$url/readyz" "$@" <"$scratch/options"
  verdict cluster "$api" 200 ''
}

check_git() {
  if [ -n "$own_git" ]; then
    ask "$git/info/refs?service=git-upload-pack" </dev/null
    reached git "$git"
    return
  fi
  user=$(sed 's|^[a-z]*://\([^@]*\)@.*|\1|' git-credentials)
  { trusting; printf 'user = "%s"\n' "$user"; } >"$scratch/options"
  ask "$git/info/refs?service=git-upload-pack" <"$scratch/options"
  if [ -z "$trouble" ] && [ "$status" = 200 ] && command -v git >/dev/null && ! answer=$(ask_git); then
    say FAIL git "$git: is reached, but git says: $(last "$answer")$(instead "$answer")"
    return
  fi
  verdict git "$git" 200 ''
}

check_images() {
  if [ -n "$own_images" ]; then
    ask "$images/v2/" </dev/null
    reached images "$images/$image"
    return
  fi
  { trusting; basic; } >"$scratch/options"
  if [ -n "$authority" ]; then
    ask "$images/v2/$image/tags/list" <"$scratch/options"
  else
    # A registry that leaves passwords to a token service says in its challenge where that is.
    ask "$images/v2/" </dev/null
    challenge=$(tr -d '\r' <"$scratch/head" | grep -i '^www-authenticate: bearer')
    realm=$(printf '%s' "$challenge" | sed -n 's/.*realm="\([^"]*\)".*/\1/p')
    service=$(printf '%s' "$challenge" | sed -n 's/.*service="\([^"]*\)".*/\1/p')
    if [ -z "$trouble" ] && [ -n "$realm" ]; then ask "$realm?service=$service&scope=repository:$image:pull" <"$scratch/options"; fi
  fi
  verdict images "$images/$image" 200 ''
}

check_page() {
  trusting >"$scratch/options"
  ask "$page/me" <"$scratch/options"
  if [ "$code" = 7 ]; then say off page "$page is served while your instructor's dashboard runs"; return; fi
  verdict page "$page" 401 ', opened by the link that you were given'
}

if command -v curl >/dev/null; then
  check_api
  check_git
  check_images
  if [ -n "$page" ]; then check_page; fi
else
  says() { # what, url, command...
    what=$1 where=$2
    shift 2
    if answer=$("$@" 2>&1 >/dev/null); then say ok "$what" "$where"; else say FAIL "$what" "$where: $(last "$answer")"; fi
  }
  if command -v kubectl >/dev/null; then says cluster "$api" kubectl --kubeconfig kubeconfig.yaml --request-timeout 15s get --raw /readyz; else say '?' cluster "neither curl nor kubectl is here"; fi
  if [ -n "$own_git" ]; then
    say '?' git "needs curl; or see whether you can clone it with your own account"
  elif command -v git >/dev/null; then
    if answer=$(ask_git); then say ok git "$git"; else say FAIL git "$git: $(last "$answer")$(instead "$answer")"; fi
  else
    say '?' git "neither curl nor git is here"
  fi
  say '?' images "needs curl"
fi

[ -z "$failed" ] || exit 1
[ -z "$unknown" ] || exit 3
`;
