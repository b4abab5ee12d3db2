using Keyreeve.Bench;

// Starts the limit and the server, loads them in turns, and prints what a request costs each of them.
if (BenchOptions.Read(args) is not { } options)
{
    Console.Error.WriteLine(BenchOptions.Usage);
    return 2;
}
if (Load.Missing is { } missing)
{
    Console.Error.WriteLine(missing);
    return 2;
}
_ = Report.Machine; // the load average before ours
var folder = Directory.CreateTempSubdirectory("keyreeve-bench-");
try
{
    var (results, memory) = await Rounds.RunAsync(options, folder, Console.Error);
    Report.Print(Console.Out, results, memory, options);
    if (options.Json is { } file)
        Report.Write(file, results, memory, options);
    var missed = results.Any(r => !r.Met) || memory.Met == false;
    return missed && options.Strict ? 1 : 0;
}
catch (BenchException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
finally
{
    folder.Delete(recursive: true);
}
