using Keyreeve.Bench;
using System.Globalization;
using Keyreeve.Bench.Import;
using Keyreeve.Bench.Load;

// Starts the server and those that it is held against, loads them in turns, and prints what a request costs each of them.
if (args is [BareImport.Verb, var service, var records, var has, var first, var second])
    return await BareImport.RunAsync(service, int.Parse(records, CultureInfo.InvariantCulture), has, first, second);
LoadRun.UseOneThread();
if (BenchOptions.Read(args) is not { Help: false } options)
{
    var asked = args.Contains("--help") || args.Contains("-h");
    (asked ? Console.Out : Console.Error).WriteLine(BenchOptions.Usage);
    return asked ? 0 : 2;
}
_ = Report.Machine; // the load average before ours
var folder = Directory.CreateTempSubdirectory("keyreeve-bench-");
try
{
    var result = await Rounds.RunAsync(options, folder, Console.Error);
    var missed = Report.Print(Console.Out, result, options);
    if (options.Json is { } file)
        Report.Write(file, result, options);
    return missed && options.Strict ? 1 : 0;
}
catch (Exception e)
{
    // Whatever it is: those who were started must be stopped, which only happens when it is caught.
    Console.Error.WriteLine(e is BenchException ? e.Message : e.ToString());
    return 1;
}
finally
{
    folder.Delete(recursive: true);
}
