"""Questions on JSON, patterns, modules, Node.js, npm, errors and debugging; `entries.py` tells the notation."""

TEXT = r"""
# JSON
* the JSON is wrong | JSON trouble | reading data from JSON
- The text comes from a web service. | A validator says that it is fine. | It was written by another program.

? How do I parse a JSON string?
= JSON.parse(text) returns the value; wrap it in try/catch, as it throws a SyntaxError for bad text.
~ convert a JSON string to an object | turn JSON text into an object | read JSON into a variable | decode a JSON
  response
- I have a string with braces and want an object. | eval works but I was told not to use it. | Reading a field of the
  text gives undefined.
> const text = '{}'; text.name;

? Why does JSON.parse fail with unexpected token?
= The text is no JSON: keys and texts need double quotes, no comma may follow the last entry, and an HTML error page
  begins with <. Log the text first; an object needs no parsing.
~ What does unexpected token in JSON at position 0 mean? | Why is my JSON invalid? | fix a syntax error in JSON | Why
  does parsing the response throw?
- The error says unexpected token o or less than at position zero. | There are single quotes in the text. | The value
  may be an object already.
> JSON.parse({ a: 1 });

? How do I print an object as readable JSON?
= JSON.stringify(value, null, 2) indents by two spaces.
~ pretty print JSON | format JSON with indentation | show an object instead of [object Object] | convert an object to a
  string
- The page shows object Object. | All is on one long line. | I want to see the content of a variable in the page.
> element.textContent = user;

? Why does JSON.stringify throw converting circular structure?
= An object refers to itself somewhere. Leave the field out with a replacer or a toJSON method.
~ serialise an object with circular references | Why can my object not be converted to JSON? | avoid a circular
  structure error | stringify a DOM node
- The child has a link to its parent. | The error speaks of a circular structure. | It happens with an object of a
  library.
> child.parent = parent; parent.child = child; JSON.stringify(parent);

? How do dates survive JSON?
= stringify writes a date as an ISO string, and parse leaves it a string: revive it with new Date(text) for the fields
  that you know.
~ parse dates from JSON | Why is my date a string after JSON.parse? | revive a date in JSON | serialise a date
- After loading getTime is not a function. | The field was a date before it was stored. | The reviver sees only strings.
> JSON.parse(JSON.stringify({ at: new Date() })).at.getTime();

# regular expressions
* my pattern does not match | regular expression trouble | regex question
- The pattern works in an online tester. | I find the syntax of these patterns hard to read. | Sometimes it matches too
  much.

? How do I escape special characters in a regular expression?
= Replace them with text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') before the text goes into new RegExp.
~ use user input inside a pattern | escape a dot in a regex | Why does a plus sign break my pattern? | build a regex
  from a string safely
- The search text has brackets and the constructor throws. | A dot matches every character but I mean a dot. | The
  pattern is made from what the user typed.
> new RegExp('c++');

? How do I use a variable in a regular expression?
= Use the constructor, new RegExp(word, 'g'): between slashes the name is taken literally.
~ put a variable into a regex | create a pattern dynamically | pass a variable to replace with the global flag | Why is
  the name of my variable matched literally?
- The word to look for is known at run time only. | Between the slashes the name of the variable is matched itself. | I
  need the global flag together with a variable.
> text.replace(/word/g, '');

? How do I get all matches and their groups?
= [...text.matchAll(/pattern/g)] gives every match with its capture groups; match with the g flag gives no groups.
~ extract the capture groups of a regex | find every match of a pattern | loop over all matches | Why does match return
  no groups?
- With the global flag the groups in parentheses are lost. | I need the year and the month of each match. | exec returns
  only the first one.
> text.match(/(\d+)-(\d+)/g);

? How do I validate an email address?
= Check only that there is something before and after one @, /^\S+@\S+\.\S+$/, and send a confirmation mail: no pattern
  can tell whether an address exists.
~ check an email address with a regex | verify that an email is valid | match a mail address | test the format of an
  email
- The form should refuse a mail address without an at sign. | The pattern that I found rejects addresses with a plus. |
  A new top level domain is not accepted.
> /^[a-z]+@[a-z]+\.com$/

? Why does test with a global regex alternate between true and false?
= With the g flag the pattern keeps lastIndex between calls. Leave the flag out for test, or reset lastIndex to 0.
~ Why does the same regex fail every second time? | Why is lastIndex changing? | use a global pattern repeatedly | Why
  does exec return null on the second call?
- The first call says true, the second one false for the same text. | Every other row is skipped by my filter. | The
  pattern is a constant that is used in a loop.
> const word = /a/g; word.test('a'); word.test('a');

? Why does my regular expression match too much?
= Quantifiers are greedy: add a question mark, .*?, or exclude the end, [^"]*, to stop at the first possible place.
~ make a quantifier lazy | match up to the first occurrence only | stop a greedy pattern | match between two characters
- Everything from the first to the last quote is matched. | There are two tags in a line and it returns one big match. |
  I want the shortest text between brackets.
> text.match(/<b>.*<\/b>/);

# modules
* the import does not work | trouble with modules | using code of another file
- Both files are in the same folder. | A tutorial does it in the same way. | I am not sure which module system this is.

? What is the difference between require and import?
= import is the standard, read before the code runs; require is Node's older CommonJS, a function call. A package says
  which with "type" in its package.json.
~ When is require used and when import? | convert CommonJS to modules | What is module.exports? | mix require and import
- Some examples have one and some the other. | The word exports is unknown. | Both at once give an error.
> const fs = require('fs'); import fs from 'fs';

? Why do I get cannot use import statement outside a module?
= The file is read as a classic script. Use <script type="module"> in a page, "type": "module" in package.json, or .mjs.
~ enable modules in Node | use import in the browser | fix the import statement error | Why is import a syntax error?
- The error is a syntax error in the first line. | In the page it is an ordinary script tag. | Another project works
  with the same line.
> import { sum } from './sum.js';

? What is the difference between a default and a named export?
= A file has one default, imported under any name without braces; named ones are imported with braces by their name.
~ When are braces needed in an import? | export several functions from a file | Why is my import undefined? | import
  everything from a file
- With braces it is undefined. | Without braces it says no default export. | The file should give away three functions.
> import { App } from './App.js';

? How do I share a function between two files?
= export it in one and import it in the other: import {sum} from './sum.js', with the path and the extension.
~ include a file in another file | use a function of another script | split code into files | call a function from
  another module
- The function is not defined in the second file. | All the code is in one file of a thousand lines. | Two script tags
  in the right order work but are ugly.
> sum(1, 2); // defined in another file

? Why does my import fail with module not found?
= Relative paths begin with ./ and in browsers and Node modules need the extension; packages must be installed; names
  are case sensitive on Linux.
~ fix cannot find module | import a file of a parent folder | Why is the path of my import wrong? | resolve a module
  path
- It works on Windows but not on the server. | The file is next to it. | The package is in the list of dependencies.
> import sum from 'sum';

? How do I fix circular imports?
= Two files need each other, so that one is not ready. Move the shared part to a third file, or use it later in a
  function.
~ Why is an imported class undefined at start? | resolve a circular dependency | Why can a variable not be accessed
  before initialization in modules? | break an import cycle
- Each file imports the other. | The class is undefined when it is extended. | The order of imports changes the result.
> import { B } from './b.js'; export class A extends B {}

? How do I import a module only when needed?
= const {draw} = await import('./chart.js') loads it then and returns a promise.
~ load a module dynamically | use a conditional import | import lazily | split a bundle
- The chart is shown to few users. | An import in an if is a syntax error. | The first load of the page is too big.
> if (needed) { import draw from './chart.js'; }

# Node.js
* my Node script fails | server side JavaScript question | Node behaves strangely
- It runs on a small server. | Locally all is fine. | The version of Node is a long term one.

? How do I read a file in Node.js?
= await fs.promises.readFile(path, 'utf8') gives text; without the encoding a Buffer. readFileSync is fine in scripts.
~ read a text file | Why do I get a buffer instead of text? | load a JSON file in Node | read a file line by line
- It prints a buffer with numbers. | The file is two gigabytes and must be read by line. | The result is undefined after
  the call.
> fs.readFile('data.txt');

? How do I write or append to a file in Node.js?
= fs.promises.writeFile(path, text) replaces, appendFile adds at the end; mkdir(folder, {recursive: true}) first.
~ save data to a file | append a line to a log file | create a file if it does not exist | write JSON to disk
- The old content is gone after writing. | The folder does not exist. | The log should grow by one line each time.
> fs.writeFile('log.txt', line);

? How do I get the command line arguments?
= process.argv.slice(2), or util.parseArgs for options.
~ read arguments of a script | pass parameters to a Node script | parse command line options | use flags in a script
- The first two entries are paths. | The script should take a file name. | A flag with a value would be nice.
> node script.js --size 10

? How do I read environment variables?
= process.env.NAME, always a string or undefined; node --env-file=.env reads a file.
~ use a .env file | keep secrets out of the code | configure a server by environment | Why is process.env undefined?
- The password must not be in the repository. | On the server the value is undefined. | In the browser process does not
  exist.
> const key = 'abc123';

? What is the difference between __dirname and the working directory?
= __dirname is the folder of the file, process.cwd() where it was started. In modules use import.meta.dirname.
~ get the folder of the current script | Why is __dirname not defined? | build a path to a file next to the script | Why
  is my file not found from another folder?
- Started from another folder it does not find its file. | In a module the name is not defined. | Relative paths seem to
  depend on the start.
> fs.readFileSync('./config.json');

? How do I make an HTTP request in Node.js?
= fetch(url) is built in since Node 18; the http and https modules are the lower level.
~ call an API from Node | Why is fetch not defined in Node? | send a request from a server | replace the request package
- The name fetch is not defined on the server. | The package in the tutorial is deprecated. | The API must be called
  with a secret key.
> require('request');

? How do I create a simple web server in Node.js?
= http.createServer((req, res) => res.end('hello')).listen(3000), or Express for routes.
~ serve static files | listen on a port | start an Express server | write a small HTTP server
- A folder with HTML should be served. | The tutorial uses Express, can it be done without? | The browser waits for ever
  for the answer.
> http.createServer(handle);

? Why do I get EADDRINUSE?
= Another process listens on the port, often an older copy of your server: end it, or choose another port.
~ fix address already in use | find the process on a port | kill a server that still runs | change the port of the
  server
- The port 3000 is taken. | After a crash the server cannot start again. | I closed the terminal but it still runs.
> app.listen(3000);

? How do I run a shell command from Node.js?
= child_process.execFile(command, args, callback), or spawn for long output; never put user text into exec.
~ execute a program | get the output of a command | spawn a child process | run a Python script from Node
- The output of git is needed in the script. | Nothing is printed until it ends. | The file name has a space in it.
> exec('ls ' + folder);

? How do I use several cores in Node.js?
= JavaScript runs in one thread: use worker_threads for computing, cluster or several processes for serving.
~ run heavy work without blocking the server | use worker threads | Why does my server hang during a computation? |
  scale Node to all the cores
- While one request computes all the others wait. | Only one core is busy. | An image is resized for ten seconds.
> app.get('/', () => heavy());

? How do I end a Node process properly?
= Close servers and connections, then it ends by itself; process.exitCode = 1 marks a failure. process.exit cuts off
  pending output.
~ Why does my script not exit? | exit with an error code | handle ctrl c | shut down gracefully
- The script is done but does not end. | The last lines of the log are missing. | On a restart open requests are cut
  off.
> process.exit();

# packages
* npm trouble | installing packages fails | package question
- It is a fresh checkout. | A colleague has no problem. | I deleted the folder and tried again.

? What is the difference between dependencies and devDependencies?
= dependencies are needed to run, devDependencies only to build and test; npm install --omit=dev leaves those out.
~ Where does a package belong in package.json? | install a package for development only | What does save-dev do? | Which
  packages are needed in production?
- The server installs the test tools as well. | I do not know where the build tool belongs. | There is a flag for this.
> npm install jest

? What do the caret and tilde in package.json mean?
= ^1.2.3 allows up to but not 2.0.0, ~1.2.3 up to but not 1.3.0; the lock file says what is really installed.
~ understand version ranges | pin the version of a package | Why was a newer version installed? | What does the hat in
  front of a version mean?
- A newer version was installed and broke the build. | There is a hat in front of the number. | Everybody should get the
  same version.
> "lodash": "^4.17.21"

? Should I commit package-lock.json and node_modules?
= Commit the lock file, ignore node_modules. npm ci installs exactly what the lock says.
~ What is package-lock.json for? | ignore node_modules in git | What is the difference between npm install and npm ci? |
  resolve conflicts in the lock file
- The file has thousands of lines and changes all the time. | The folder is huge. | On the build server other versions
  are installed.
> git add node_modules

? How do I fix npm permission errors?
= Do not use sudo: install Node with a version manager such as nvm, or set a prefix in your home.
~ fix EACCES on a global install | install a global package without sudo | Why does npm need root? | Where are global
  packages installed?
- The error is EACCES and permission denied. | With sudo it works but files belong to root. | It is a global install.
> npm install -g typescript

? How do I update packages?
= npm outdated lists them, npm update stays in the ranges, npm install name@latest goes beyond; read the changelog.
~ upgrade all dependencies | find outdated packages | install the latest version | update npm itself
- The list has packages that are three years old. | update does not go to the next major version. | An audit warns of
  vulnerabilities.
> npm update

? How do I resolve peer dependency conflicts?
= ERESOLVE says which two packages want different versions: choose versions that fit; --legacy-peer-deps only hides it.
~ fix ERESOLVE | What is a peer dependency? | Why can npm not resolve the dependency tree? | install despite a peer
  conflict
- The tree cannot be resolved. | One plugin wants an older version of the framework. | With force it installs but then
  fails.
> npm install react-plugin

? How do I run scripts with npm?
= Put them under "scripts" in package.json: npm run build; arguments go after --.
~ define an npm script | pass arguments to npm run | run two commands with npm | Why is a command not found outside npm
  scripts?
- The tool is installed but the shell does not find it. | Two programs should run at the same time. | The argument does
  not arrive.
> npm run test --watch

? How do I use a different Node version per project?
= A version manager: nvm use reads .nvmrc; "engines" in package.json only warns.
~ switch between Node versions | install an older Node | upgrade Node | Why does my project need another Node version?
- An old project does not build with the new version. | Two projects need different ones. | The error speaks of an
  unsupported engine.
> node --version

# errors
* an error that I do not understand | the script stops | how to handle this failure
- The console shows a red line. | It happens in production only. | The stack does not help me.

? How do I throw and catch an error of my own?
= class NotFound extends Error {}; throw new NotFound('...'), and catch with error instanceof NotFound.
~ create a custom error | throw an exception with a message | catch only one kind of error | extend the Error class
- Different faults need different messages. | The catch block gets all the errors. | Throwing a plain text has no stack.
> throw 'not found';

? How do I use try, catch and finally?
= catch gets what try threw; finally runs in any case, also after a return. It catches only what is thrown while it
  runs, not in later callbacks.
~ handle exceptions | Why does try catch not work with setTimeout? | run clean-up code after an error | When does
  finally run?
- The spinner must go away in any case. | An error in the timer is not caught. | I want to go on after an error.
> try { setTimeout(() => { throw new Error(); }); } catch (e) { }

? Why do I get cannot read properties of undefined?
= What is before the dot is undefined: log it, check its name and whether it is loaded yet, or use ?. where it may miss.
~ What does TypeError of undefined mean? | fix cannot read property of null | find out which variable is undefined | Why
  is an object undefined in my code?
- The message names a property that is there. | On the first rendering the data is not loaded. | It says null because
  the element is not found.
> user.name.length;

? What does is not a function mean?
= What is before the parentheses is something else: a wrong name, a missing import, an overwritten variable or a missing
  semicolon before a bracket.
~ fix undefined is not a function | Why is my method not a function? | call a function that is not found | Why does the
  console say not a function?
- The function exists, I can see it in the file. | A variable has the same name as the function. | On the line before
  there is no semicolon.
> items.foreach(print);

? How do I fix maximum call stack size exceeded?
= A function calls itself without end, or too deep: check the condition that ends it, or use a loop.
~ Why does my recursion overflow the stack? | stop an infinite recursion | What is a stack overflow? | replace recursion
  by a loop
- The function calls itself for each child. | The end condition is never met. | With a small list it works.
> function f(n) { return f(n - 1); }

# debugging
* finding out what is wrong | debugging question | the page is slow or wrong
- The bug does not happen on my machine. | I have looked at it for hours. | There is no error message.

? How do I debug JavaScript in the browser?
= Open the developer tools, set a breakpoint in Sources or write debugger; step through and look at the variables.
~ set a breakpoint | step through code | inspect variables while running | use the developer tools
- So far I only print things. | The value changes somewhere and I do not know where. | The code is minified.
> console.log('here');

? Why does console.log show a different value than expected?
= The console reads objects when you open them, so it shows the later state. Log a copy, or JSON.stringify(value).
~ log the current state of an object | Why does the console show changed data? | print a deep object | show nested
  objects in the log
- The line is before the change, but the new value is shown. | Opened in the console it is different from the preview. |
  Nested parts are shown as object only.
> console.log(items); items.push(1);

? How do I find a memory leak?
= Take heap snapshots in the developer tools and compare: often listeners, timers or growing caches hold what is old.
~ Why does memory grow? | find out what keeps objects alive | free memory | use heap snapshots
- After some hours the tab takes a gigabyte. | The server is restarted each night because of it. | Each time the dialog
  opens it gets worse.
> setInterval(() => cache.push(data), 100);

? How do I test asynchronous code?
= Return the promise or use an async test; fake timers for delays. A test that does not wait always passes.
~ write a unit test for a promise | Why does my test pass although it should fail? | wait in a test | mock a request in
  a test
- The test is green even with a wrong value. | The timeout of five seconds is exceeded. | The request should not really
  be sent.
> test('loads', () => { load().then(check); });

? How do I mock a function or module in a test?
= Pass the dependency as an argument, or use the framework: jest.mock(path) or vi.mock(path) before the import.
~ replace a dependency in a test | spy on a function | Why is my mock not used? | mock the date in a test
- The test must not send mail. | The real function is still called. | I want to know how many times it was called.
> sendMail = () => {};

? How do I make a slow loop faster or keep the page responsive?
= Measure first with the profiler; then do less, use a Map for look-ups, split the work with await, or move it to a
  worker.
~ optimise a slow function | prevent the page from freezing | use a web worker | profile code
- The page is frozen for ten seconds. | For ten thousand rows it takes minutes. | A progress bar is not drawn while it
  works.
> for (const a of rows) for (const b of rows) compare(a, b);
"""
