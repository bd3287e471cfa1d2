# Create the virtual environment $1 with pip in it, with the interpreter $PYTHON. Debian and Ubuntu split venv's pip off
# into a package of its own; where that is missing, the pip of the machine installs one.
set -eu
venv=$1
if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi
rm -rf "$venv"
if "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
    "$PYTHON" -m venv "$venv"
elif "$PYTHON" -m pip --version >/dev/null 2>&1; then
    "$PYTHON" -m venv --without-pip "$venv"
    "$PYTHON" -m pip --python "$venv/bin/python" install --quiet --disable-pip-version-check pip
elif command -v uv >/dev/null 2>&1; then
    uv venv --quiet --seed --python "$PYTHON" "$venv"
else
    echo "$PYTHON has neither ensurepip nor pip: install one, such as with: apt-get install python3-venv" >&2
    exit 1
fi
