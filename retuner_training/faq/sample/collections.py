"""Questions on arrays, sorting, objects, maps and sets; `entries.py` tells the notation."""

TEXT = r"""
# arrays
* simple array question | what is the right way to work with this array | my array is not as it should be
- The array holds a few hundred elements. | The list comes from a request. | It should not change the original list. | I
  would like a short solution without a library.

? How do I loop over an array?
= Use for (const item of array). array.forEach(callback) works too, but cannot be left early; for...in is for keys.
~ iterate over an array | go through all elements of a list | run code for each element | Which loop is best for arrays?
- I have a list of names and want to print each of them. | There are so many kinds of loops. | The loop with in gives me
  indexes as strings.
> for (const i in names) { }

? How do I loop over an array and know the index?
= for (const [index, item] of array.entries()) gives both; forEach passes the index as second argument.
~ get the index inside a loop | iterate with index and value | number the items of a list while looping | know the
  position in a for of loop
- I need the position as well as the element. | The first element must be treated in another way than the others. | With
  the of loop there is no counter.
> for (const item of items) { }

? How do I break out of a forEach loop?
= forEach cannot be stopped. Use for...of with break, or some and every, which stop at the first answer.
~ stop a forEach early | exit a loop over an array | Why does return not end forEach? | use break inside a callback
- A return in the callback only ends that one call. | The break statement is a syntax error there. | After the first hit
  the rest need not be visited.
> items.forEach(item => { if (item.done) break; });

? How do I find an object in an array by a property?
= array.find(item => item.id === id) returns the first match or undefined.
~ look up an object by id | find the element with a certain property | search an array of objects | get one item from a
  list by its id
- Every object has an id and I know the id. | I want the object itself, not its position. | Now I go through the whole
  list with a loop.
> const user = users.indexOf(7);

? How do I check whether an array contains a value?
= array.includes(value) for primitives; array.some(item => item.id === id) for objects, which are compared by identity.
~ test whether a value is in an array | see if a list has an element | Does the array include this value? | search a
  list for a value
- I need true or false. | The in operator gives a wrong answer. | For objects it always says that it is not in there.
> 'red' in colours;

? How do I find the index of an element?
= array.indexOf(value), or array.findIndex(item => item.id === id) for objects; both return -1 if there is none.
~ get the position of an item | find the index of an object by property | Why does indexOf return -1? | locate an
  element in an array
- The result is minus one although it is in the list. | I know the id and need the position to replace it. | The place
  in the list is needed for the next step.
> list.indexOf({ id: 3 });

? How do I remove an element from an array?
= array.splice(index, 1) removes in place; array.filter(item => item !== value) makes a new array without it.
~ delete an item from a list | remove an object by id from an array | take an element out of an array | Why does delete
  leave a hole?
- The delete operator leaves an empty place and the length is the same. | The user clicks on a row and it should vanish
  from the list. | I know the value and not the position.
> delete items[2];

? How do I remove duplicates from an array?
= [...new Set(array)] keeps the first of equal primitives; for objects use a Map by key.
~ get the unique values of an array | filter out repeated elements | drop repeated values from a list | make a list
  distinct
- Some of the values are there twice. | Each tag should be listed once. | Two nested loops are slow for a long list.
> [1, 2, 2, 3]

? How do I remove duplicate objects from an array?
= [...new Map(array.map(item => [item.id, item])).values()] keeps the last object of every id.
~ get unique objects by a property | filter repeated objects by id | Why does Set not remove equal objects? | make an
  array of objects distinct
- Two objects with the same id should be one. | A set keeps both because they are different objects. | The request
  returns some users twice.
> new Set([{ id: 1 }, { id: 1 }]).size;

? How do I empty an array?
= array.length = 0 empties it for everybody who holds it; array = [] only makes the variable point to a new one.
~ clear an array | remove all elements of a list | reset an array to empty | Which way of emptying an array is right?
- After saving the list should be empty again. | Other variables still show the old elements. | Assigning a new list did
  not clear the one in the store.
> items = [];

? How do I copy an array?
= [...array] or array.slice() copy the first level; structuredClone(array) copies nested objects too.
~ clone an array | duplicate a list without a reference | Why does changing the copy change the original? | make a copy
  of an array by value
- Both variables point to the same list. | When I change the copy, the original changes too. | I need a snapshot before
  it is sorted.
> const copy = items;

? How do I merge two arrays?
= [...a, ...b] makes a new array; a.push(...b) extends the first one.
~ join two lists | concatenate arrays | combine arrays without duplicates | append one array to another
- The result should be one flat list. | push gives me a list within a list. | The elements of the second list shall come
  after the first.
> a.push(b);

? How do I flatten a nested array?
= array.flat() flattens one level, array.flat(Infinity) all; flatMap maps and flattens in one step.
~ turn an array of arrays into one array | unnest arrays | get rid of inner arrays | combine a list of lists
- The data is a list of lists of unknown depth. | After mapping I have arrays inside the array. | All the values should
  be on one level.
> [[1, 2], [3, [4]]]

? How do I split an array into chunks?
= Loop with for (let i = 0; i < array.length; i += n) and take array.slice(i, i + n).
~ divide an array into groups of n | cut a list into pages | process an array in batches | break an array into smaller
  ones
- The API takes fifty records at a time. | The gallery has rows of three pictures. | The last part may be shorter.
> const rows = [];

? How do I get the last element of an array?
= array.at(-1), or array[array.length - 1] in older browsers.
~ access the final item of a list | read an array from the end | get the last item without removing it | Why is index -1
  undefined?
- A negative index gives undefined. | pop returns it but takes it away. | I only need the newest entry, which is at the
  end.
> items[-1];

? How do I get the largest number in an array?
= Math.max(...array), or array.reduce((a, b) => Math.max(a, b)) for very long arrays, which spread cannot take.
~ find the maximum of a list | get the min and max of an array | Why does Math.max return NaN for an array? | find the
  object with the highest value
- Passing the list to Math.max gives NaN. | I want the highest score of all players. | The list has a million numbers
  and the stack overflows.
> Math.max([3, 9, 4]);

? How do I sum the values of an array?
= array.reduce((total, item) => total + item, 0); for objects add item.price. Mind the start value 0.
~ add up all numbers of a list | calculate the total of a property | get the average of an array | sum a field of
  objects
- The total of the shopping cart is needed. | reduce throws on an empty list. | The prices are in objects and I want
  their sum.
> let total;

? How do I group an array of objects by a property?
= Object.groupBy(array, item => item.type), or collect with reduce into an object of arrays.
~ group objects by key | make a dictionary of lists | put rows with the same value together | aggregate a list by
  category
- All orders of one customer should be together. | The result should be an object with one list per category. | In SQL
  this would be a group by.
> orders.reduce();

? How do I count the occurrences of values in an array?
= Collect into a Map: counts.set(value, (counts.get(value) ?? 0) + 1) for each value.
~ count how often each element occurs | make a histogram | find the most frequent value | tally the values of a list
- I need each word and how many times it is in the list. | The most popular answer should be shown. | The result may be
  an object with numbers.
> const counts = {};

? Why does my map callback return undefined?
= An arrow function with braces needs return; without braces the expression is returned. For an object literal add
  parentheses: () => ({...}).
~ Why is the mapped array full of undefined? | return an object from an arrow function | What is missing in my map
  callback? | use map with an arrow function
- The new list has the right length but all values are undefined. | It works with a normal function. | Curly braces
  after the arrow seem to be the problem.
> items.map(item => { item.name });

? How do I create an array with numbers from 1 to n?
= Array.from({length: n}, (_, i) => i + 1).
~ fill an array with a range | make a list of consecutive numbers | Is there a range function? | initialise an array
  with values
- In Python there is range. | new Array of five is full of holes and map skips them. | The page numbers go from one to
  the last.
> new Array(5).map((_, i) => i);

? Why do all rows of my two-dimensional array change at once?
= fill puts the same array into each row. Make a new one per row: Array.from({length: n}, () => Array(m).fill(0)).
~ create a two dimensional array | Why does setting one cell change every row? | make a matrix of zeros | initialise a
  grid
- Writing to one cell changes the whole column. | The board of my game shows the piece in each row. | I filled the outer
  list with an inner one.
> const board = Array(3).fill(Array(3).fill(0));

# sorting
* my list comes out in the wrong order | sort does not work | how to get the order right
- The order is still wrong after sort. | The table has a header to click on. | It works for small lists only.

? Why does sort put 10 before 9?
= Without a function sort compares as text. Use array.sort((a, b) => a - b).
~ sort an array of numbers | Why are numbers sorted alphabetically? | sort integers ascending | sort numbers descending
- The result is 1, 10, 2, 9. | The numbers come out as if they were words. | Small numbers with one digit are at the
  end.
> [10, 9, 1].sort();

? How do I sort an array of objects by a property?
= array.sort((a, b) => a.age - b.age) for numbers, a.name.localeCompare(b.name) for text.
~ sort objects by a field | order a list of objects by name | sort users by age | sort by the value of a key
- Every object has a name and an age. | sort without an argument does nothing to my objects. | The list of people should
  be in the order of their age.
> users.sort();

? How do I sort by several properties?
= Chain the comparisons: a.city.localeCompare(b.city) || a.age - b.age, where 0 falls through to the next.
~ sort by two fields | sort on multiple columns | order by name and then by age | break ties in a sort
- Within a city the people should be ordered by age. | In SQL it would be order by with two columns. | Rows with an
  equal first field are in a random order.
> users.sort((a, b) => a.city > b.city);

? How do I sort strings with umlauts and accents correctly?
= array.sort((a, b) => a.localeCompare(b, 'de')), or new Intl.Collator('de').compare for long lists.
~ sort words alphabetically ignoring case | sort names with accents | Why is the umlaut sorted after z? | sort strings
  in the order of a language
- Names with an accent are after the letter z. | Capital letters come before all small ones. | The customers expect the
  order of a phone book.
> ['zebra', 'Äpfel', 'apple'].sort();

? How do I sort an array of dates?
= array.sort((a, b) => a - b) for Date objects; ISO strings sort correctly as text.
~ sort objects by date | order events by time | put the newest entry first | sort a list by a date string
- The latest message should be at the top. | The strings have the day first and are sorted by day. | The events are not
  in the order of time.
> messages.sort((a, b) => a.date > b.date);

? How do I shuffle an array?
= Fisher-Yates: from the last index down, swap with a random index up to it. sort with a random comparison is biased.
~ put an array in random order | randomize a list | mix the cards of a deck | Why is sorting with Math.random unfair?
- The questions of the quiz should come in a random order. | Sorting by a random number favours some orders. | The cards
  must be mixed before the game.
> cards.sort(() => Math.random() - 0.5);

? How do I reverse an array without changing it?
= array.toReversed(), or [...array].reverse() in older browsers; reverse alone works in place, as sort does.
~ reverse a copy of a list | Why does reverse change the original array? | sort without mutating the array | loop over
  an array backwards
- After reversing the copy the original is turned around too. | The state must not be mutated. | I want to show the
  newest first and keep the data as it is.
> const newest = items.reverse();

# objects
* question about an object | the property is not there | how do I work with this object
- The object is a plain literal. | It is used as a dictionary. | The structure may change later.

? How do I loop over the properties of an object?
= for (const [key, value] of Object.entries(object)). for...in also visits inherited keys.
~ iterate over an object | go through all keys and values | enumerate the properties of an object | Why is my object not
  iterable?
- The of loop says that it is not iterable. | I want to print each key with its value. | Keys that I never set turn up
  in the loop.
> for (const x of settings) { }

? How do I check whether an object has a property?
= Object.hasOwn(object, key) for its own; key in object for inherited ones too.
~ test for a key in an object | see if a property exists | Does the object have this key? | check a key whose value may
  be undefined
- The value may be undefined although the key is there. | I must know if the setting was given at all. | toString is
  found although I never set it.
> if (settings.debug) { }

? How do I access a property whose name is in a variable?
= Use brackets: object[name]. A dot takes the name literally. In a literal, {[name]: value}.
~ use a variable as key | read a property by a dynamic name | set a key of an object from a variable | Why is the name
  of the variable used as key?
- The name of the field is only known at run time. | The dot looks for a property with the name of my variable. | The
  new object has the key called key.
> settings.name = value;

? How do I remove a property from an object?
= delete object.key changes it; const {key, ...rest} = object makes a copy without it.
~ delete a key from an object | omit a field from an object | copy an object without some properties | unset a property
- The password must not be in what is sent. | Setting it to undefined leaves the key there. | The original should keep
  the field.
> user.password = undefined;

? How do I copy an object?
= {...object} copies the first level; structuredClone(object) copies all levels.
~ clone an object | make a deep copy | Why does changing the clone change the original? | duplicate a nested object
- The nested parts are still shared after copying. | Changing the address of the copy changes the original. | I want to
  edit a draft and be able to cancel.
> const draft = user;

? How do I merge two objects?
= {...defaults, ...options}: later ones win. The spread is shallow, nested objects are replaced whole.
~ combine two objects | merge defaults with options | extend an object with another | merge nested objects
- Missing settings should come from the defaults. | A nested part is replaced and not merged. | In jQuery there was
  extend.
> const all = defaults + options;

? How do I compare two objects for equality?
= === compares identity. Compare field by field, or with a deep comparison such as util.isDeepStrictEqual in Node or
  lodash isEqual.
~ check if two objects are equal | Why are identical objects not equal? | compare nested objects by value | do a deep
  comparison
- Both have the same keys and values but the comparison is false. | I must know whether the form has been changed. |
  Turning both into text depends on the order of keys.
> ({ a: 1 }) === ({ a: 1 });

? How do I check whether an object is empty?
= Object.keys(object).length === 0.
~ test for an empty object | see if an object has no properties | Why is an empty object truthy? | count the keys of an
  object
- The response may be a pair of braces with nothing in it. | length is undefined for it. | The condition is true even
  when there is nothing inside.
> if (!result) { }

? How do I get the number of keys of an object?
= Object.keys(object).length; a Map has size.
~ get the length of an object | count the properties | How many entries does my dictionary have? | get the size of an
  object
- length is undefined because it is no list. | I use it as a dictionary and need the number of entries. | A counter
  beside it goes out of step.
> settings.length;

? How do I read a nested property safely?
= Optional chaining: user?.address?.city gives undefined where something on the way is missing.
~ avoid cannot read properties of undefined | access deep properties without errors | check nested objects for undefined
  | read a value from a nested object
- The error says cannot read properties of undefined. | The address is missing for some users. | A chain of and
  operators is ugly.
> user.address.city;

? How do I take several values out of an object at once?
= Destructure: const {name, age = 0} = user; rename with {name: title}.
~ use destructuring with defaults | unpack the properties of an object | rename a variable in destructuring |
  destructure function parameters
- Writing the name of the object again and again is tedious. | A default is needed where the key is missing. | The name
  of the variable is already taken.
> const name = user.name; const age = user.age;

? How do I transform the values of an object?
= Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)])).
~ map over an object | apply a function to each value of an object | turn an object into another with the same keys |
  filter an object by its values
- The prices by product should all be raised. | Objects have no map method. | The keys should stay and the values
  change.
> prices.map(p => p * 1.1);

? How do I make an object immutable?
= Object.freeze(object) freezes the first level; nested objects must be frozen too. const only fixes the variable.
~ freeze an object | make a constant object | prevent changes to an object | Why can a const object be changed?
- Someone changes the configuration at run time. | const does not keep the properties from being changed. | I want an
  error when a field is written.
> const config = { debug: false }; config.debug = true;

# maps and sets
* which collection should I use | lookup structure question | collections in modern JavaScript
- I look things up by a key many times. | The order of insertion matters to me. | The keys may be anything.

? When should I use a Map instead of an object?
= A Map takes keys of any type, has size, keeps the order and has no inherited keys; objects fit fixed fields and JSON.
~ Map or plain object for a dictionary? | What is the advantage of a Map? | use objects as keys | Why do my object keys
  become strings?
- Keys that are objects all become the same string. | I wonder which is faster for many entries. | Is there a reason not
  to use a plain object as dictionary?
> const cache = {}; cache[user] = 1;

? How do I convert a Map to an array or object?
= [...map] gives pairs, [...map.values()] values, Object.fromEntries(map) an object.
~ turn a Map into JSON | get the values of a Map as array | Why is my Map empty in JSON? | create a Map from an object
- Turning it into text gives only braces. | I need an ordinary list of the values. | The data must be sent to a server.
> JSON.stringify(new Map([['a', 1]]));

? How do I get the intersection or difference of two arrays?
= const other = new Set(b); a.filter(x => other.has(x)) is what both have, with ! what only a has.
~ find the common elements of two lists | get the items that are in one array but not in the other | compare two arrays
  | compute the union of sets
- I have the old and the new list and need what was added. | The values that are in both lists are wanted. | A loop in a
  loop is too slow.
> a.filter(x => b.indexOf(x));

? How do I loop over a Map or Set?
= for (const [key, value] of map) and for (const value of set); both have forEach too.
~ iterate over a Map | go through the values of a Set | Why does for in not work for a Map? | print each entry of a Map
- The in loop does nothing for it. | I want both key and value in the loop. | An index does not work for this
  collection.
> for (const x in map) { }
"""
