"""judge.py OUT WANTED: prints the first cause of severity error or warning in OUT/json, and PASS, or what is wrong."""
import json, sys

out, want = sys.argv[1], sys.argv[2].split()


def text(name):
    try:
        with open(out + "/" + name, errors="replace") as f:
            return f.read()
    except OSError:
        return ""


try:
    lines = [json.loads(l) for l in text("json").splitlines()]
except ValueError:
    sys.exit(print("- NOT-JSON"))
if text("broken"):
    sys.exit(print("- BROKEN"))
if not any(l.get("type") == "end" for l in lines):
    sys.exit(print("- NO-END"))
found = sorted((l for l in lines if l.get("type") == "verdict" and l["severity"] != "info"), key=lambda l: l["rank"])
first = found[0]["cause"] if found else "-"
code = text("rc").strip()
if want == ["ok"]:
    print(first, "FAIL" if found or code == "10" else "PASS")
elif first not in want:
    print(first, "FAIL")
elif not found[0].get("evidence"):
    print(first, "NO-EVIDENCE")
else:
    print(first, "PASS" if code == "10" else "EXIT-" + code)
