"""Questions on functions, scope, `this`, classes and promises; `entries.py` tells the notation."""

TEXT = r"""
# scope and closures
* a variable has the wrong value inside a function | the variable is not visible | strange value in a callback
- The function runs later. | I thought that the variable would keep its value. | It is a small script without a
  framework.

? What is a closure?
= A function together with the variables of the place where it was made: it can use them after that place has returned.
~ How do closures work? | understand a closure in practice | Why can an inner function see outer variables? | What are
  closures good for?
- Every book explains it in another way. | The inner function still knows a variable of a function that has ended. | In
  an interview I was asked for an example.
> function counter() { let n = 0; return () => ++n; }

? Why do all callbacks in my loop see the last value?
= var makes one variable for the whole loop. Use let, which makes one per round, or wrap the body in a function.
~ use closures inside a loop | Why does every handler in the loop get the same index? | capture the loop variable | Why
  does a timeout in a loop print the last number?
- Each button alerts the same number. | All the timers print five. | The index is always the length of the list.
> for (var i = 0; i < 5; i++) setTimeout(() => console.log(i));

? What is hoisting?
= Declarations are known in their whole scope: a var is undefined before its line, a function declaration can be called,
  let and const throw a ReferenceError.
~ Why can a function be called before it is defined? | Why is my variable undefined before the assignment? | What is the
  temporal dead zone? | understand hoisting of functions
- It prints undefined and not an error. | The function is called above the line where it is written. | With let it
  throws cannot access before initialization.
> console.log(a); var a = 1;

? How do I define a global variable?
= Put it on globalThis, or better export it from a module; an assignment without declaration makes a global by accident.
~ share a variable between files | make a variable visible in all functions | Why is my variable not defined in another
  file? | access a variable of another function
- Two scripts need the same setting. | In the other file it is not defined. | I set it in one function and read it in
  another.
> function init() { let user = 1; }

? Why is my variable not defined outside the function or block?
= let and const live in their block, var in its function. Declare it outside, or return the value.
~ use a variable after the if block | Why do I get a ReferenceError outside the function? | read a local variable
  outside | declare a variable inside an if
- After the if the name is unknown. | The error is a ReferenceError. | It works with the old keyword but not with the
  new one.
> if (ok) { let message = 'yes'; } alert(message);

? What does use strict do?
= It turns silent faults into errors, such as assigning to an undeclared name, and leaves this undefined in plain calls.
  Modules and classes are always strict.
~ What is strict mode for? | Why should strict mode be used? | enable strict mode | Why does my code break in strict
  mode?
- The first line of many files is this text. | After adding the line an old script throws. | I do not know whether
  modules need it.
> 'use strict'; total = 1;

? What is an immediately invoked function for?
= (function () { ... })() runs at once and keeps its variables to itself; modules and blocks with let do this today.
~ Why are functions wrapped in parentheses and called? | What does an IIFE do? | understand the module pattern | avoid
  global variables with a function
- A plugin begins with a bracket and the word function. | There are parentheses around it and a pair behind it. | It
  seems to be called directly.
> (function () { })();

? How do I keep a variable private?
= Use #name fields in classes, a closure, or a module that does not export it.
~ create private properties | hide a variable from outside | What does the hash in a class mean? | make a private method
- Nobody should change the balance from outside. | An underscore in front is only a convention. | Other languages have
  the keyword private.
> class Account { balance = 0; }

# this
* this is wrong | a method loses its object | context problem in a method
- In another place the same code works. | I log it and it is not my object. | The method belongs to an object of mine.

? Why is this undefined in my callback?
= this depends on the call. Passing object.method loses the object: pass () => object.method() or
  object.method.bind(object).
~ keep this inside a callback | Why does a method passed as callback lose this? | access the object inside a callback |
  use bind for a callback
- The error says cannot read properties of undefined. | It works when I call the method directly. | The method is given
  to a timer.
> setTimeout(player.stop, 100);

? How does the this keyword work?
= A method call sets this to the object before the dot, new to the new object, call and bind to what is given; arrow
  functions take it from where they are written.
~ What does this refer to? | understand this in functions | Why does this change between calls? | Which object is this?
- Sometimes it is the window and sometimes my object. | The rules for it confuse me. | In Java it is always the
  instance.
> function show() { console.log(this); }

? What is the difference between an arrow function and a normal function?
= An arrow function has no this, arguments or prototype of its own, and cannot be called with new. Use normal ones for
  methods.
~ When should an arrow function not be used? | Why is this wrong in an arrow function? | replace a function by an arrow
  function | Does the fat arrow change this?
- After changing the method to an arrow it no longer knows its object. | The short form looks the same to me. |
  arguments is not defined in it.
> const user = { name: 'a', hello: () => this.name };

? What is the difference between call, apply and bind?
= call(object, a, b) and apply(object, [a, b]) call at once with this set; bind returns a function for later.
~ When is apply used instead of call? | understand bind | call a function with a given this | pass an array as arguments
- All three seem to set the context. | One of them takes a list of arguments. | I do not see when the function is run.
> greet.call(user, 'hi'); greet.apply(user, ['hi']);

? How do I use this in an event handler of a class?
= Bind it in the constructor, or write the handler as an arrow function field: onClick = () => {...}.
~ access the class instance in an event listener | Why is this the button in my click handler? | bind methods of a class
  | remove a listener that was bound
- In the handler it is the element and not the instance. | setState is not a function in the handler. | Removing the
  bound listener does not work.
> button.addEventListener('click', this.onClick);

? Why is this the window object in a nested function?
= A plain call sets this to the global object, or undefined in strict mode, also inside a method. Use an arrow function.
~ use this in an inner function | What is var self = this for? | Why does an inner function not see this of the method?
  | keep the outer this in a helper function
- In the inner helper it is the window. | Old code has a variable called self or that. | Inside forEach the method is
  gone.
> items.forEach(function () { this.count++; });

# function arguments
* question about function parameters | passing values to a function | arguments of a function
- The function is called from several places. | Some calls have fewer values. | I want the signature to stay readable.

? How do I set a default value for a function parameter?
= function f(size = 10); it is used where the argument is missing or undefined.
~ give a parameter a default | make an argument optional | What happens when an argument is missing? | call a function
  with fewer arguments
- The second argument is rarely given. | Without it the value is undefined. | The or operator replaces a zero as well.
> function resize(width) { width = width || 10; }

? How do I pass any number of arguments?
= Rest parameters, function f(...items), collect them in an array; f(...array) spreads one.
~ write a function with variable arguments | What do the three dots mean? | use the arguments object | spread an array
  into a call
- The function should take one or ten values. | The arguments object has no map. | Three dots in front of a name are new
  to me.
> function sum() { arguments.map(); }

? Does JavaScript pass by reference or by value?
= Always by value, but the value of an object is a reference: a function can change the object, not the caller's
  variable.
~ Are objects passed by reference? | Why does a function change my object? | Why does assigning a parameter not change
  the variable? | swap two variables in a function
- Changing a field inside is seen outside. | Assigning a new object inside is not seen outside. | Numbers behave
  differently from objects.
> function reset(user) { user = {}; }

? How do I return several values from a function?
= Return an array or object and destructure: const {min, max} = range(list).
~ return more than one value | get two results of a function | return an object and unpack it | Can a function return a
  pair?
- I need both the smallest and the largest. | Only the last value after the comma comes back. | Other languages have
  tuples.
> return min, max;

? How do I pass arguments to a callback function?
= Wrap it: () => save(id). save(id) without the arrow calls it at once and passes its result.
~ give a parameter to an event handler | Why is my function called immediately? | pass extra values to a callback | use
  setTimeout with arguments
- It runs at once and not on the click. | The handler must know the id of the row. | Writing parentheses calls it while
  the page loads.
> button.onclick = save(7);

? How do I limit how often a function is called?
= Debounce: clearTimeout and setTimeout on each call, so that only the last of a burst runs; throttle runs at most once
  per interval.
~ debounce an input | throttle a scroll handler | wait until the user has stopped typing | What is the difference
  between debounce and throttle?
- With each key a request is sent. | The scroll handler runs hundreds of times and the page stutters. | Only after a
  pause of half a second should it search.
> input.oninput = search;

? How do I cache the results of a function?
= Memoize: keep a Map from argument to result and look there first.
~ memoize a function | avoid computing the same value again | store results of expensive calls | Why is my recursive
  function so slow?
- The same values are computed again and again. | The recursive Fibonacci takes minutes for 45. | The result depends on
  the argument alone.
> const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2);

# classes
* inheritance question | objects of my class do not behave | constructor trouble
- There are several kinds of shapes in my program. | I know classes from Java. | An older part of the code uses
  functions.

? How does prototypal inheritance work?
= An object looks for a missing property in its prototype, and so on. Methods on the prototype are shared by all
  instances.
~ What is a prototype? | understand the prototype chain | Why are methods put on the prototype? | What is __proto__?
- The console shows a property with two underscores. | A method that I did not set is found. | How does it differ from
  classes?
> function Dog() {} Dog.prototype.bark = function () {};

? How do I extend a class?
= class B extends A, and call super(...) in the constructor before using this; super.method() calls the parent's.
~ inherit from another class | Why must super be called first? | call the method of the parent class | override a method
- The error says must call super constructor before accessing this. | The child should do a bit more than the parent. |
  I do not know how to call the parent's version.
> class Circle extends Shape { constructor(r) { this.r = r; } }

? What does the new keyword do?
= It makes an object with the function's prototype, calls the function with it as this, and returns it.
~ Why is new needed? | What happens when new is forgotten? | create an instance of a constructor function | understand
  constructors
- Without it the result is undefined. | The class constructor cannot be invoked without it. | Is it the same as in Java?
> const dog = Dog('Rex');

? How do I add static methods and properties to a class?
= Write static before it; it belongs to the class: Temperature.fromKelvin(3).
~ create a static method | define a constant on a class | call a static method from an instance | Why is my method not a
  function on the instance?
- The helper does not need an instance. | Calling it on an instance says that it is not a function. | A counter for all
  instances is needed.
> class Temperature { static fromKelvin(k) { } }

? How do I write getters and setters?
= get area() {...} is read as shape.area without parentheses; set area(value) {...} runs on assignment.
~ use get and set in a class | compute a property when it is read | validate a value on assignment | Why does my setter
  cause a stack overflow?
- The area depends on two other fields. | A negative value should be refused. | The setter calls itself and the stack
  overflows.
> set size(value) { this.size = value; }

? How do I check whether an object is an instance of a class?
= object instanceof Class; it is false across frames and for objects read from JSON, which have no class.
~ use instanceof | get the class name of an object | Why is instanceof false? | find out the constructor of an object
- The list has circles and squares. | After loading from JSON the check is false. | object.constructor.name is shortened
  in the built version.
> shape instanceof Circle;

# promises
* asynchronous code does not wait | the result is not there yet | my asynchronous function does not work
- The call takes a second or so. | The order of the lines in the log is not what I expect. | It has to wait for the
  server.

? How do I return the value of an asynchronous call?
= You cannot return it directly: return the promise and await it, or take a callback. The code after the call runs
  before the answer is there.
~ get the response out of a callback | Why is my variable undefined after a request? | return data from a request
  function | use the result of an asynchronous function
- The variable is undefined outside the callback. | Inside the callback the data is right. | The function returns before
  the response has come.
> let data; fetch(url).then(r => { data = r; }); return data;

? What is a promise?
= An object for a value that comes later: then takes the value, catch the failure. It settles once.
~ How do promises work? | What do resolve and reject do? | understand then and catch | create a promise
- The library returns an object with then. | I only know callbacks. | The console shows Promise pending.
> new Promise((resolve, reject) => { });

? Why do I get a pending promise instead of a value?
= An async function always returns a promise. Use await in an async function, or then.
~ get the value out of a promise | Why does my async function return a promise? | unwrap a promise | Why does the log
  show Promise pending?
- The log shows pending where a text should be. | I wrote return but the caller gets an object. | How is it unwrapped in
  ordinary code?
> const user = loadUser(); console.log(user);

? How do I use async and await?
= Mark the function async and write await before a promise; errors arrive as exceptions in try/catch.
~ replace then by await | write asynchronous code that reads like synchronous | Why is await only valid in async
  functions? | convert promise chains to async functions
- A chain of then is hard to read. | The error says await is only valid in async functions. | I wonder where to put the
  keyword.
> function load() { const data = await fetch(url); }

? How do I run several promises in parallel?
= await Promise.all([a(), b()]) starts both and waits for all; it rejects with the first failure.
~ wait for all promises | start requests at the same time | run async functions concurrently | Why do my awaits run one
  after another?
- The three requests do not depend on each other. | Each await waits for the one before and it takes three seconds. |
  All the results are needed before the page is drawn.
> const a = await loadA(); const b = await loadB();

? How do I wait for all promises even if some fail?
= Promise.allSettled(promises) gives for each its status with value or reason.
~ ignore failed promises | collect the results although one rejects | Why does one error reject everything? | continue
  after a rejected promise
- One of ten requests fails and all the results are lost. | The failed ones should be listed. | The others are fine and
  I want to show them.
> await Promise.all(requests);

? How do I handle errors in promises?
= Put catch at the end of the chain, or try/catch around await. Return the inner promises, or their errors are lost.
~ catch errors of async functions | What is an unhandled promise rejection? | Why does try catch not catch my error? |
  handle a rejected promise
- The console warns of an unhandled rejection. | The catch block is never reached. | An error in the callback disappears
  without a trace.
> try { loadUser(); } catch (error) { }

? How do I convert a callback function to a promise?
= new Promise((resolve, reject) => f(arg, (error, value) => error ? reject(error) : resolve(value))); in Node,
  util.promisify(f).
~ promisify a function | use await with a callback API | wrap an old API in a promise | use setTimeout with await
- The old library wants a function with error and value. | I would like to await it. | Nested callbacks go deeper and
  deeper.
> db.query(sql, (error, rows) => { });

? How do I cancel a promise or set a time limit?
= Promises cannot be cancelled. Give an AbortSignal to what supports it, AbortSignal.timeout(5000), or use Promise.race.
~ abort a promise | add a timeout to a promise | stop waiting after five seconds | cancel an async operation
- The user leaves the page and the work goes on. | After five seconds an error should be shown. | The older answer
  arrives after the newer one.
> await slowCall();

? How do I chain promises so that they run in order?
= Return the next promise in each then, or await one after another; a missing return lets the chain go on too early.
~ run promises one after another | Why does the second then run too early? | execute async functions sequentially |
  avoid nested then calls
- The second step begins before the first has finished. | Each step needs the result of the one before. | My thens are
  nested like callbacks.
> a().then(() => { b(); }).then(c);

# loops and timers
* waiting in a loop | timing problem | the code runs too early
- The steps must not overlap. | It should not block the page. | The delay is always zero.

? How do I use await inside a loop?
= Use for...of, which waits in each round. forEach does not wait; for parallel work use Promise.all with map.
~ run asynchronous code in a loop | Why does forEach not wait for await? | call an async function for each element |
  loop over requests one at a time
- The code after the loop runs before the requests are done. | forEach with an async callback returns at once. | The
  server wants one request at a time.
> ids.forEach(async id => { await load(id); });

? How do I use async functions with map or filter?
= map gives an array of promises: await Promise.all(items.map(load)). filter cannot wait: map to flags first.
~ use map with async | Why does map return an array of promises? | filter with an asynchronous condition | await all
  results of map
- The result is a list of pending promises. | The filter keeps everything because a promise is truthy. | For every id a
  user must be loaded.
> const users = ids.map(async id => await load(id));

? How do I sleep or wait for some time?
= await new Promise(resolve => setTimeout(resolve, 1000)) in an async function; a busy loop would freeze the page.
~ pause for a second | Is there a sleep function? | add a delay between two lines | wait before the next step
- Between two steps there should be a second. | setTimeout does not stop the code after it. | In Python there is sleep.
> setTimeout(() => {}, 1000); next();

? What is the difference between setTimeout and setInterval?
= setTimeout runs once, setInterval until clearInterval. For work that takes long, set the next timeout at its end.
~ run a function every few seconds | stop an interval | repeat something with a timer | Why do my intervals pile up?
- The clock should be updated every second. | The interval does not end when the dialog is closed. | The calls overlap
  when one is slow.
> setInterval(poll, 1000);

? Why does setTimeout with 0 not run at once?
= It queues the function: all running code and the promise callbacks come first. That is the event loop.
~ How does the event loop work? | Why does the timeout run after the rest? | What is setTimeout 0 for? | understand the
  order of asynchronous code
- The log of the timer comes after the one below. | Promise callbacks come before the timer. | JavaScript has one thread
  and I do not see how it waits.
> setTimeout(() => console.log('a'), 0); console.log('b');

? How do I run many requests with a limit on how many run at once?
= Start n workers that take the next item from a shared iterator: each loops over it with for...of and await.
~ limit the concurrency of promises | run at most five requests at a time | process a queue with promises | Why does
  Promise.all overload the server?
- A thousand requests at once are refused by the server. | Five at a time would be fine. | One after another takes too
  long.
> await Promise.all(urls.map(fetch));

? How do I retry a failed request?
= Loop over the attempts with try/catch and await a growing delay between them; give up after a few.
~ repeat a promise until it succeeds | try again after an error | retry with exponential backoff | call a flaky service
  again
- The service fails now and then. | After a short pause it usually works. | After three failures an error should be
  shown.
> await fetch(url).catch(() => fetch(url));
"""
