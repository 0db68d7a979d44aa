/**
 * Why a text that was read as UTF-8 is not the one that its writer has in an editor, as a clause that says how to save it right;
 * undefined where it may well be, with or without a byte order mark.
 */
export function textFault(text: string): string | undefined {
  if (/^\uFEFF?version https:\/\/git-lfs\.github\.com\/spec\//.test(text))
    return "is a pointer of Git LFS, and there is no LFS here: put the files themselves into your commits with `git lfs migrate export --include='*' --yes`";
  const head = text.slice(0, 4096);
  // UTF-16 read as UTF-8: its byte order mark becomes two replacement characters, every second byte of plain text is NUL.
  const zeros = [...head].filter((character) => character === "\0").length;
  if (/^\uFFFD{2}/.test(head) ? zeros > 0 || head.length <= 4 : zeros > 0 && zeros * 5 >= head.length * 2)
    return "is UTF-16, as `>` of Windows PowerShell writes it, and must be UTF-8: save it anew as UTF-8 (in PowerShell with `Set-Content -Encoding utf8`)";
  return undefined;
}
